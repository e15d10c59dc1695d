"""Weights files: which are read, which are refused, and with what message."""

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


def zero_weights(name: str, classes: int | None = None) -> dict[str, Tensor]:
    """A state dict of zeros with the shapes of a model."""
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


def test_safetensors_are_recognised_under_any_file_name(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "x.pth")
    assert torch.equal(read_weights(str(tmp_path / "x.pth"))["a"], STATE["a"])


class _Exploit:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_never_run(tmp_path: Path, zipped: bool) -> None:
    evidence = tmp_path / "evidence"
    content = {"model": STATE, "args": _Exploit(evidence)}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"Python objects, which could run code.*save_file"):
        read_weights(tmp_path / "x.pth")
    assert not evidence.exists()
    torch.save({"model": STATE, "args": Namespace(lr=1)}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match="contains Python objects"):
        read_weights(tmp_path / "y.pth")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "neither a safetensors nor a PyTorch file"),
        (b"version https://git-lfs.github.com/spec/v1", "starts with b'version h'"),
        (b"<!DOCTYPE html>", "neither a safetensors nor a PyTorch file"),
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
        (torch.zeros(3), "contains a Tensor; expected a state dict"),
        ([STATE], "contains a list; expected a state dict"),
        ({}, "contains a dict; expected a state dict"),
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
def test_a_damaged_file_never_crashes_the_reader(
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


def test_weights_are_loaded_unchanged_in_float32() -> None:
    torch.manual_seed(0)
    state = {
        key: torch.randn_like(value).half() for key, value in zero_weights("scenes_vit").items()
    }
    model = build("scenes_vit")
    load_weights(model, state, "x")
    for key, value in model.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, state[key].float())
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 10)


def test_the_number_of_classes_is_that_of_the_head() -> None:
    assert head_classes(zero_weights(NAME, 37)) == 37
    assert head_classes({"head.weight": torch.zeros(3)}) is None
    assert head_classes(STATE) is None


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        "vit_small_patch32_384",
        pytest.param("vit_base_patch16_224", marks=pytest.mark.slow),
        "scenes_vit",
    ],
)
def test_weights_are_recognised(name: str) -> None:
    assert name in matching_models(zero_weights(name))


def test_recognition_ignores_the_number_of_classes() -> None:
    assert matching_models(zero_weights(NAME, 3)) == [NAME]
    assert matching_models(STATE) == []


def refusal(name: str, state: dict[str, Tensor]) -> str:
    with pytest.raises(WeightsError) as caught:
        load_weights(build(name, head_classes(state)), state, "own.pth")
    return str(caught.value)


def test_missing_and_unexpected_keys_are_listed() -> None:
    state = zero_weights(NAME)
    state["extra.weight"] = state.pop("norm.bias")
    message = refusal(NAME, state)
    assert message.startswith(
        "own.pth does not fit. Missing keys: norm.bias. Unexpected keys: extra."
    )
    assert "Mismatched shapes" not in message
    assert "a Vision Transformer with width 192, depth 12 and patch size 16" in message


def test_weights_of_another_model_are_refused_with_its_name() -> None:
    message = refusal("vit_tiny_patch16_224", zero_weights(NAME))
    assert "Unexpected keys: dist_token, head_dist.weight, head_dist.bias." in message
    assert "Mismatched shapes: pos_embed is [1, 198, 192], needs [1, 197, 192]." in message
    assert f"look like {NAME}: pass --model {NAME}." in message
    message = refusal("deit_small_patch16_224", zero_weights("scenes_vit"))
    assert "Missing keys: blocks.6.norm1.weight," in message
    assert " and 68 more. Mismatched shapes:" in message  # six blocks of twelve keys, four named
    assert "pass --model scenes_vit." in message


def test_weights_of_another_kind_of_model_are_refused() -> None:
    assert "not a checkpoint of a timm Vision Transformer" in refusal("scenes_vit", STATE)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_refused(value: float) -> None:
    state = zero_weights("scenes_vit")
    state["blocks.2.mlp.fc1.bias"][7] = value
    with pytest.raises(WeightsError, match=r"NaN or infinite weights in blocks\.2\.mlp\.fc1\.bias"):
        load_weights(build("scenes_vit"), state, "own.pth")
