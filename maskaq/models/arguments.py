"""What a call of a torch function is given: its tensors, its weight, its multiply-adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor


def weight_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The weight of a linear layer or a convolution."""
    return args[1] if len(args) > 1 else kwargs["weight"]


def einsum_products(equation: str, *operands: Tensor) -> int:
    """Multiply-adds of an einsum: the product of the sizes of all its indices."""
    terms, sizes = equation.replace(" ", "").partition("->")[0].split(","), dict[str, int]()
    for term, operand in zip(terms, operands, strict=True):
        sizes |= zip(term, operand.shape, strict=True)
    return math.prod(sizes.values())


def tensors_in(values: Any) -> Iterable[Tensor]:
    """All tensors in nested tuples, lists and dicts."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        yield from tensors_in(tuple(values.values()))
    elif isinstance(values, tuple | list):
        for value in values:
            yield from tensors_in(value)
