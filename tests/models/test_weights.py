"""Weights files: what is read, what is refused, and what each refusal says."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor

from maskaq.errors import WeightsError
from maskaq.models.architectures import build
from maskaq.models.weights import head_classes, load_weights, matching_models, read_weights

NAME = "deit_tiny_distilled_patch16_224"
STATE = {"a": torch.arange(6.0).view(2, 3), "b.bias": torch.zeros(2)}


def blank(name: str, classes: int | None = None) -> dict[str, Tensor]:
    """Weights of the right shapes, all zero."""
    return {
        key: torch.zeros(value.shape) for key, value in build(name, classes).state_dict().items()
    }


@pytest.mark.parametrize("wrapped", ["plain", "model", "state_dict", "both", "module."])
@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_files_are_read(tmp_path: Path, wrapped: str, zipped: bool) -> None:
    content: object = STATE
    if wrapped == "both":
        content = {"state_dict": {"model": STATE}, "epoch": 3}
    elif wrapped == "module.":
        content = {"module." + key: value for key, value in STATE.items()}
    elif wrapped != "plain":
        content = {wrapped: STATE, "epoch": 3}
    torch.save(content, tmp_path / "x.bin", _use_new_zipfile_serialization=zipped)
    read = read_weights(tmp_path / "x.bin")
    assert read.keys() == STATE.keys()
    assert all(torch.equal(read[key], STATE[key]) for key in STATE)


def test_safetensors_are_read_whatever_the_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.pth")
    assert torch.equal(read_weights(str(tmp_path / "x.pth"))["a"], STATE["a"])


class _Trap:
    """Unpickling it would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_never_runs(tmp_path: Path, zipped: bool) -> None:
    sprung = tmp_path / "sprung"
    content = {"model": STATE, "args": _Trap(sprung)}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"Python objects besides tensors.*save_file"):
        read_weights(tmp_path / "x.pth")
    assert not sprung.exists()
    torch.save({"model": STATE, "args": Namespace(lr=1)}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match="Python objects besides tensors"):
        read_weights(tmp_path / "y.pth")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "neither safetensors nor a PyTorch file"),
        (b"version https://git-lfs.github.com/spec/v1", "starts with b'version h'"),
        (b"<!DOCTYPE html>", "neither safetensors nor a PyTorch file"),
        (b"PK\3\4 and no archive", "is damaged .*; pass an intact file"),
        (save(STATE)[:-3], "is damaged .*; pass an intact file"),
        (b"\xff" * 8 + b"{" * 20, "is damaged .*; pass an intact file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(tmp_path / "x")
    assert str(tmp_path / "x") in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors cannot be read: No such file"):
        read_weights(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="cannot be read: Is a directory"):
        read_weights(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        (torch.zeros(3), "holds a Tensor; expected a state dict"),
        ([STATE], "holds a list; expected a state dict"),
        ({}, "holds a dict; expected a state dict"),
        ({"epoch": 3}, "'epoch' is not a tensor; expected a state dict"),
        ({"model": {"weights": [1.0]}}, "'weights' is not a tensor"),
    ],
)
def test_content_without_a_state_dict_is_refused(
    tmp_path: Path, content: object, message: str
) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=message):
        read_weights(tmp_path / "x.pth")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), zipped=st.sampled_from([True, False, None]))
def test_a_damaged_file_is_read_or_refused_but_never_crashes(
    tmp_path: Path, data: st.DataObject, zipped: bool | None
) -> None:
    path = tmp_path / "x"
    if zipped is None:
        path.write_bytes(save(STATE))
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    raw = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw = raw[:position]
    else:
        raw[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    with suppress(WeightsError):
        assert all(isinstance(value, Tensor) for value in read_weights(path).values())


def test_weights_arrive_unchanged_and_in_float32() -> None:
    torch.manual_seed(0)
    state = {key: torch.randn_like(value).half() for key, value in blank("scenes_vit").items()}
    model = build("scenes_vit")
    load_weights(model, state, "x")
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[key].float())
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)


def test_the_number_of_classes_is_that_of_the_head() -> None:
    assert head_classes(blank(NAME, 37)) == 37
    assert head_classes({"head.weight": torch.zeros(3)}) is None
    assert head_classes(STATE) is None


@pytest.mark.parametrize(
    "name", [NAME, "vit_small_patch32_384", "vit_base_patch16_224", "scenes_vit"]
)
def test_weights_are_recognised(name: str) -> None:
    assert name in matching_models(blank(name))


def test_recognition_ignores_the_number_of_classes() -> None:
    assert matching_models(blank(NAME, 3)) == [NAME]
    assert matching_models(STATE) == []


def refusal(wanted: str, state: dict[str, Tensor]) -> str:
    with pytest.raises(WeightsError) as caught:
        load_weights(build(wanted, head_classes(state)), state, "own.pth")
    return str(caught.value)


def test_missing_and_left_over_keys_are_named() -> None:
    state = blank(NAME)
    state["extra.weight"] = state.pop("norm.bias")
    message = refusal(NAME, state)
    assert message.startswith(
        "own.pth does not fit. Missing keys: norm.bias. Left-over keys: extra."
    )
    assert "Other shapes" not in message
    assert "a Vision Transformer 192 wide, 12 blocks deep, with patches of 16" in message


def test_another_models_weights_are_named_with_the_remedy() -> None:
    message = refusal("vit_tiny_patch16_224", blank(NAME))
    assert "Left-over keys: dist_token, head_dist.weight, head_dist.bias." in message
    assert "Other shapes: pos_embed is [1, 198, 192], needs [1, 197, 192]." in message
    assert f"look like {NAME}: pass --model {NAME}." in message
    message = refusal("deit_small_patch16_224", blank("scenes_vit"))
    assert "Missing keys: blocks.6.norm1.weight," in message
    assert " and 68 more. Other shapes:" in message  # six blocks of twelve keys, four named
    assert "pass --model scenes_vit." in message


def test_what_is_no_vision_transformer_is_called_so() -> None:
    assert "not those of a timm Vision Transformer" in refusal("scenes_vit", STATE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    state = blank("scenes_vit")
    state["blocks.2.mlp.fc1.bias"][7] = value
    with pytest.raises(WeightsError, match=r"NaN or infinite weights in blocks\.2\.mlp\.fc1\.bias"):
        load_weights(build("scenes_vit"), state, "own.pth")
