"""Containers and prefixes: which weights are taken from a checkpoint, and what is said about it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from maskaq.errors import WeightsError
from maskaq.models.weights import read_weights
from maskaq.models.weights.containers import model_state

PATH = Path("w.pt")
SMALL = {
    "cls_token": torch.zeros(1, 1, 4),
    "patch_embed.proj.weight": torch.arange(12.0).view(4, 3, 1, 1),
    "blocks.0.attn.qkv.weight": torch.ones(12, 4),
    "head.weight": torch.ones(2, 4),
    "head.bias": torch.tensor([1.0, 2.0]),
}
OTHER = {key: value + 1 for key, value in SMALL.items()}
BESIDE = {"optimizer": {"state": {0: {"step": torch.ones(1)}}, "param_groups": [{"lr": 0.1}]}}
WRAPPERS = ("module.", "model.", "_orig_mod.", "backbone.", "encoder.", "student_net.", "a.b.c.")


def prefixed(prefix: str, state: dict[str, Tensor] = SMALL) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].dtype == other[key].dtype and torch.equal(one[key], other[key]) for key in one
    )


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    prefixes=st.lists(st.sampled_from(WRAPPERS), max_size=3),
    containers=st.lists(
        st.sampled_from(["model", "state_dict", "model_state_dict", "net", "teacher", "ema", "x"]),
        max_size=2,
    ),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    written=st.sampled_from(["safetensors", "zip", "legacy"]),
)
def test_weights_are_found_under_any_prefix_in_any_container(
    tmp_path: Path, prefixes: list[str], containers: list[str], dtype: torch.dtype, written: str
) -> None:
    state = {key: value.to(dtype) for key, value in SMALL.items()}
    prefix = "".join(prefixes)
    content: dict[str, Any] = prefixed(prefix, state)
    if written == "safetensors":
        containers = []
        save_file(content, tmp_path / "w")
    else:
        for name in containers:
            content = {"epoch": 3, name: content, **BESIDE, "best": 0.5}
        torch.save(content, tmp_path / "w", _use_new_zipfile_serialization=written == "zip")
    weights = read_weights(tmp_path / "w")
    assert same(weights.state, state)
    expected = [f"took the weights in `{'.'.join(reversed(containers))}`"] if containers else []
    expected += [f"removed the prefix `{prefix}`"] if prefix else []
    name = str(dtype).removeprefix("torch.")
    if name != "float32":
        expected.append(f"the weights are {name}, and computed with in float32")
    assert list(weights.notes) == expected


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_names_without_patches_lose_the_prefixes_of_wrappers(prefix: str) -> None:
    state = {"a": torch.zeros(1), "b.bias": torch.zeros(2)}
    found, notes = model_state(prefixed(prefix, state), PATH)
    assert same(found, state)
    assert notes == (f"removed the prefix `{prefix}`",)
    assert model_state(state, PATH)[1] == ()


@pytest.mark.parametrize(
    "better, worse",
    [
        ("model_ema", "model"),
        ("state_dict_ema", "state_dict"),
        ("ema", "net"),
        ("ema_state_dict", "model_state_dict"),
        ("teacher", "student"),
        ("model", "student"),
        ("ema_teacher", "teacher"),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_an_average_and_a_teacher_are_preferred_and_said(
    better: str, worse: str, flat: bool, swapped: bool
) -> None:
    pairs = [(better, SMALL), (worse, OTHER)][:: -1 if swapped else 1]
    if flat:
        content: dict[str, Any] = {}
        for name, state in pairs:
            content |= prefixed(f"{name}.", state)
    else:
        content = {**dict(pairs), **BESIDE}
    state, notes = model_state(content, PATH)
    assert same(state, SMALL)
    assert f"took `{better}` of the containers" in notes[0]
    assert f"--weights FILE#{worse})" in notes[0]
    assert same(model_state(content, PATH, worse)[0], OTHER)


def test_the_containers_are_listed() -> None:
    content = {"model": SMALL, "model_ema": OTHER, **BESIDE}
    assert model_state(content, PATH)[1][0].startswith(
        "took `model_ema` of the containers model, model_ema, optimizer,"
    )


def test_equal_containers_need_no_choice() -> None:
    copy = {key: value.clone() for key, value in SMALL.items()}
    assert model_state({"model": SMALL, "best": copy}, PATH)[1] == ("took the weights in `model`",)


def test_a_chosen_container_is_named_in_the_path(tmp_path: Path) -> None:
    torch.save({"teacher": SMALL, "student": {"module": OTHER}}, tmp_path / "w.pt")
    chosen = read_weights(f"{tmp_path / 'w.pt'}#student")
    assert same(chosen.state, OTHER)
    assert chosen.notes == ()
    with pytest.raises(WeightsError, match=r"unknown container 'studnt'; did you mean 'student"):
        read_weights(f"{tmp_path / 'w.pt'}#studnt")
    (tmp_path / "w.pt").rename(tmp_path / "w#1.pt")
    assert same(read_weights(tmp_path / "w#1.pt").state, SMALL)


def test_wrappers_inside_the_names_are_removed() -> None:
    names = {
        "blocks.0.attn.qkv.weight": "blocks.0._orig_mod.attn.qkv.weight",
        "head.bias": "_checkpoint_wrapped_module.head.bias",
    }
    state = {"module." + names.get(key, key): value for key, value in SMALL.items()}
    found, notes = model_state(state, PATH)
    assert same(found, SMALL)
    assert notes[0] == "removed the prefix `module.`"
    assert notes[1].startswith("removed the names of wrappers inside")


@pytest.mark.parametrize("head", ["head.", "model.head.", "model.classifier."])
def test_a_head_beside_the_backbone_is_kept(head: str) -> None:
    state = {
        head + key.removeprefix("head.") if key.startswith("head.") else f"model.backbone.{key}": v
        for key, v in SMALL.items()
    }
    found, _ = model_state(state, PATH)
    named = head.removeprefix("model.")
    assert torch.equal(found[f"{named}bias"], SMALL["head.bias"])
    assert torch.equal(found["cls_token"], SMALL["cls_token"])


@pytest.mark.parametrize("outer", ["", "module."])
def test_students_and_teachers_keep_their_own_heads(outer: str) -> None:
    content = {}
    for name, state in (("student", OTHER), ("teacher", SMALL)):
        for key, value in state.items():
            inner = key if key.startswith("head") else f"backbone.{key}"
            content[f"{outer}{name}.{inner}"] = value
    assert same(model_state(content, PATH)[0], SMALL)
    assert same(model_state(content, PATH, "student")[0], OTHER)


def test_what_training_stores_beside_the_weights_is_left_out() -> None:
    averaged = {"n_averaged": torch.tensor(7), **prefixed("module.")}  # of torch's AveragedModel
    assert same(model_state(averaged, PATH)[0], SMALL)
    beside = {"epoch": 3, "arch": "vit", "criterion.weight": torch.ones(9), **SMALL}
    beside["val_acc.total"] = torch.tensor(7)  # of torchmetrics
    assert same(model_state(beside, PATH)[0], SMALL)
    unknown = {"neck.weight": torch.ones(9), **prefixed("backbone.")}  # part of the model
    assert "neck.weight" in model_state(unknown, PATH)[0]


def test_weights_beside_a_container_are_a_model_too() -> None:
    content = {**SMALL, **prefixed("student.", OTHER)}
    state, notes = model_state(content, PATH)
    assert same(state, SMALL)
    assert notes[0].startswith("took the weights beside the containers student, of which several")
    assert same(model_state(content, PATH, "student")[0], OTHER)
    with pytest.raises(WeightsError, match=r"has no containers to choose from; leave out `#x`"):
        model_state(SMALL, PATH, "x")


@pytest.mark.parametrize(
    "beside",
    ["head.weight", "module.blocks.0._orig_mod.attn.qkv.weight", "module._orig_mod.head.bias"],
)
def test_two_weights_for_one_name_are_refused(beside: str) -> None:
    with pytest.raises(WeightsError, match=r"w\.pt has two weights for one name"):
        model_state(prefixed("module.") | {beside: torch.zeros(1)}, PATH)


@pytest.mark.parametrize(
    "content, message",
    [
        (torch.zeros(3), "contains a Tensor; expected a state dict"),
        ([SMALL], "contains a list; expected a state dict"),
        ({}, "contains nothing, but no weights of a model; expected a state dict"),
        ({"epoch": 3}, "contains 'epoch', but no weights"),
        ({"model": {"weights": [1.0]}}, "contains 'model', but no weights"),
        ({"a": torch.zeros(1), "b": [1.0]}, "'b' is not a tensor; expected a state dict"),
        ({"epoch": 3, **BESIDE}, "contains 'epoch', 'optimizer', but no weights"),
        (
            {"0.scale": torch.ones(1), "0._packed_params.dtype": torch.qint8},
            "a model quantized by PyTorch; pass the float weights",
        ),
        (BESIDE["optimizer"], "the state of an optimizer .* pass the file with the model's"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_content_without_weights_is_refused(
    tmp_path: Path, content: object, message: str, zipped: bool
) -> None:
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "x.pth")
