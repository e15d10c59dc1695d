"""Types of weights: floats are read, integers and float8 refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from maskaq.errors import WeightsError
from maskaq.models.weights import read_weights
from maskaq.models.weights.values import check_types, type_note


@pytest.mark.parametrize(
    "dtype, reason",
    [
        (torch.int8, "integers without their scales are no weights; pass the float weights"),
        (torch.uint8, "integers without their scales"),
        (torch.int32, "integers without their scales"),
        (torch.int64, "integers without their scales"),
        (torch.bool, "integers without their scales"),
        (torch.float8_e4m3fn, "float8 without its scales has no exact value"),
        (torch.float8_e5m2, "float8 without its scales"),
        (torch.complex64, "weights are real numbers"),
    ],
)
@pytest.mark.parametrize("safe", [True, False])
def test_other_types_are_refused(
    tmp_path: Path, dtype: torch.dtype, reason: str, safe: bool
) -> None:
    state = {"a": torch.zeros(2), "b.weight": torch.ones(2).to(dtype)}
    (save_file if safe else torch.save)(state, tmp_path / "x")
    name = str(dtype).removeprefix("torch.")
    with pytest.raises(WeightsError, match=rf"x: b\.weight is {name}; {reason}"):
        read_weights(tmp_path / "x")


def test_quantized_and_sparse_tensors_are_refused() -> None:
    sparse = torch.zeros(2, 2).to_sparse()
    with pytest.raises(WeightsError, match=r"a is sparse_coo float32; save ordinary, dense"):
        check_types({"a": sparse}, Path("x"))
    with pytest.raises(WeightsError, match="integers without their scales"):
        check_types({"a": torch.zeros(2, dtype=torch.int16)}, Path("x"))


@pytest.mark.parametrize("rows", [2, 2**27])
def test_a_tensor_that_is_far_larger_than_its_file_is_refused(tmp_path: Path, rows: int) -> None:
    repeated = torch.zeros(8).expand(rows, 8)
    torch.save({"model": {"a": repeated}, "ema": {"a": repeated}}, tmp_path / "w.pt")
    if rows == 2:
        assert read_weights(tmp_path / "w.pt").state["a"].shape == (2, 8)
        return
    with pytest.raises(WeightsError, match=r"a repeats a small tensor to 4,294,967,296 bytes"):
        read_weights(tmp_path / "w.pt")


def test_integers_that_models_count_or_compute_are_allowed() -> None:
    names = ("layers.0.blocks.0.attn.relative_position_index", "bn.num_batches_tracked")
    check_types({name: torch.zeros(2, dtype=torch.int64) for name in names}, Path("x"))


def test_only_other_types_than_float32_have_a_note() -> None:
    assert type_note({"a": torch.zeros(1), "index": torch.zeros(1, dtype=torch.int64)}) == ()
    mixed = {"a": torch.zeros(1), "b": torch.zeros(1).half(), "c": torch.zeros(1).half()}
    assert type_note(mixed) == (
        "the weights are float16 and float32, and computed with in float32",
    )
