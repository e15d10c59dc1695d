"""Ranges by what they do to the layer's product, not to its input (after AdaLog, arXiv 2407.12951).

A layer hardly minds an error in a channel that its weights ignore, and minds one that they all
agree on. So a range is chosen by the squared change of the product, whose other operand is known:
the quantized weight, or for softmax outputs the quantized values.

Every range begins where its own search puts it, so that the result is never worse. Its two numbers
(both ends; the largest level and the base of a logarithmic grid) then move by parts of an octave,
on a coarse grid and on finer ones around the best so far. AdaLog's progressive search is of this
kind; grids and steps are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import singledispatch

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layernorm_folding import folding
from maskaq.quantization.conversion.layers import QuantAttention, QuantLinear
from maskaq.quantization.quantizers.base import AdaptiveLog, LogSqrt2, Quantizer, Uniform, observing
from maskaq.quantization.quantizers.log_base import LogBase
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.quantizers.per_token import parts
from maskaq.quantization.quantizers.range_search import affine_from

__all__ = ["least_change", "set_by_product"]

TOKENS = 2000  # that a search looks at
# Octaves from one trial to the next, and how many trials there are to either side.
_GRIDS = ((0.4, 3), (0.2, 1), (0.1, 1))

Move = Callable[[float, float], None]


@torch.no_grad()
def set_by_product(q: nn.Module, images: Tensor) -> None:
    """Set all ranges of Q in one pass of normalised images [N,3,S,S].

    Those of softmax outputs and of linear layers' inputs by the layer's product, all others as
    `set_ranges` does; so do ranges per channel, which could only move together. Each layer sees
    inputs that the layers before it have quantized.
    """
    with observing(q, _Products(q)), folding(q):
        q(images)


class _Products:
    """An observer that knows what each quantizer's output is multiplied by."""

    def __init__(self, q: nn.Module) -> None:
        self._layers: dict[Quantizer, QuantLinear] = {}
        self._values: dict[Quantizer, Quantizer] = {}  # of a block, by its softmax outputs'
        self._seen: dict[Quantizer, Tensor] = {}
        for module in q.modules():
            if isinstance(module, QuantLinear):
                found = parts(module.input_quantizer)
                self._layers |= {part: module for part in found if part.groups == 1}
            elif isinstance(module, QuantAttention):
                operands: dict[str, Quantizer] = dict(module.operands.items())  # type: ignore[arg-type]
                self._values[operands["softmax"]] = operands["value"]

    def __call__(self, quantizer: Quantizer, x: Tensor) -> None:
        quantizer.calibrate(x)
        if quantizer in self._values.values():
            self._seen = {quantizer: quantizer.quantize(x)}  # [B,H,T,d]
        elif quantizer in self._layers:
            layer = self._layers[quantizer]
            layer.weight_quantizer.calibrate(layer.weight)
            least_change(quantizer, *_linear(x, layer.weight_quantizer.quantize(layer.weight)))
        elif quantizer in self._values:
            least_change(quantizer, *_mixture(x, self._seen[self._values[quantizer]]))


def _linear(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Some tokens [n,C_in] of x [...,C_in], and what an error in them is multiplied by.

    W^T of a weight [C_out,C_in] with fewer rows than columns, else R^T of W = Q R, which leaves
    squared lengths as they are: [C_in,min(C_in,C_out)].
    """
    rows = x.float().reshape(-1, x.shape[-1])  # [B*T,C_in]
    rows = rows[:: -(-len(rows) // TOKENS)]  # [n,C_in]
    if len(weight) > weight.shape[1]:
        weight = torch.linalg.qr(weight, mode="r").R  # [C_in,C_in]
    return rows, weight.T


def _mixture(probs: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Some queries of all heads and images, [B*H,n,T], and their values [B*H,T,d]."""
    batch, _, tokens = probs.shape[:3]
    every = -(-batch * tokens // TOKENS)
    some = probs[:, :, ::every].float()  # [B,H,n,T]
    return some.flatten(0, 1), values.float().flatten(0, 1)  # [B*H,n,T], [B*H,T,d]


@torch.no_grad()
def least_change(quantizer: Quantizer, x: Tensor, other: Tensor) -> None:
    """Move a calibrated quantizer's range to the least squared change of x @ other.

    Args:
        x: [...,n,C], what it quantizes. other: [...,C,k].
    """
    move = mover(quantizer)
    errors: dict[tuple[float, float], float] = {}

    def error(at: tuple[float, float]) -> float:
        if at not in errors:
            move(*at)
            errors[at] = ((quantizer.quantize(x) - x) @ other).square().sum().item()
        return errors[at]

    best = (0.0, 0.0)
    for step, reach in _GRIDS:
        before = None
        while best != before:  # a best place at the edge may have a better one behind it
            before, best = best, min(_around(best, step, reach), key=error)
    move(*best)


def _around(best: tuple[float, float], step: float, reach: int) -> Iterator[tuple[float, float]]:
    """Places in a square around the best so far, itself first: it wins where another is equal."""
    yield best
    offsets = [round(step * i, 6) for i in range(-reach, reach + 1)]
    yield from ((round(best[0] + a, 6), round(best[1] + b, 6)) for a in offsets for b in offsets)


@singledispatch
def mover(quantizer: Quantizer) -> Move:
    """What moves a quantizer's two numbers by octaves from where they are now."""
    raise TypeError(type(quantizer).__name__)


@mover.register(Uniform)
@mover.register(LearnedStep)
def _both_ends(quantizer: Uniform | LearnedStep) -> Move:
    low, high = (limit.clone() for limit in quantizer.limits())  # [G] each

    def move(down: float, up: float) -> None:
        quantizer.set_grid(affine_from(low * 2**down, high * 2**up, quantizer.form))

    return move


@mover.register(LogSqrt2)
def _largest(quantizer: LogSqrt2) -> Move:
    delta = quantizer.delta.clone()  # [1]

    def move(up: float, _: float) -> None:
        quantizer.delta.copy_(delta * 2**up)

    return move


@mover.register(AdaptiveLog)
@mover.register(LogBase)
def _largest_and_base(quantizer: AdaptiveLog | LogBase) -> Move:
    delta, step = quantizer.delta.clone(), quantizer.step.clone()  # [1] each

    def move(up: float, wider: float) -> None:
        quantizer.delta.copy_(delta * 2**up)
        quantizer.step.copy_(step * 2**wider)

    return move
