"""The numbers of a state dict: floats of any usual width; integers and float8 are refused."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from maskaq.errors import WeightsError

_FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_MOST_REPEATED = 1 << 28  # bytes of a tensor that are not stored, but repeat others
# Integers that timm's models compute from their shape, or count.
_COUNTS = re.compile(r"(^|\.)(relative_position_index|num_batches_tracked|position_ids)$")


def check_types(state: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not floats of at least 16 bits, in ordinary tensors of stored size.

    Raises:
        WeightsError: names the first such weight.
    """
    for key, value in state.items():
        if _COUNTS.search(key):
            continue
        if value.dtype not in _FLOATS or value.layout != torch.strided or value.is_meta:
            raise WeightsError(f"{path}: {key} is {_type(value)}; {_reason(value)}.")
        if value.nbytes > value.untyped_storage().nbytes() + _MOST_REPEATED:
            raise WeightsError(
                f"{path}: {key} repeats a small tensor to {value.nbytes:,} bytes; save it in full."
            )


def _type(value: Tensor) -> str:
    layout = "" if value.layout == torch.strided else f"{value.layout} ".removeprefix("torch.")
    return layout + str(value.dtype).removeprefix("torch.")


def _reason(value: Tensor) -> str:
    if value.dtype in _FLOATS:
        return "save ordinary, dense tensors"
    if value.dtype.is_floating_point:
        return (
            "float8 without its scales has no exact value; pass the weights in float16 or wider, "
            "from before quantization"
        )
    if value.dtype.is_complex:
        return "weights are real numbers; pass weights in float16 or wider"
    return (
        "integers without their scales are no weights; pass the float weights, from before "
        "quantization"
    )


def type_note(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """A note on weights that are converted to float32; empty for float32.

    >>> type_note({"a": torch.zeros(1, dtype=torch.float16)})
    ('the weights are float16, and computed with in float32',)
    """
    types = Counter(value.dtype for value in state.values() if value.is_floating_point())
    names = [str(dtype).removeprefix("torch.") for dtype, _ in types.most_common()]
    if names in ([], ["float32"]):
        return ()
    return (f"the weights are {' and '.join(names)}, and computed with in float32",)
