"""Range search by the error of the layer's output, after AdaLog (arXiv 2407.12951).

An input error matters little in a channel that the weights ignore, and much in one that all of them
use. So a range is chosen by the squared error of the matrix product, whose other operand is known:
the quantized weight or, for softmax outputs, the quantized values.

The error of a token is divided by the size of its output. ViTs have a few tokens with activations a
hundred times as large as all others ("massive activations", Sun et al., arXiv 2402.17762). Without
the division they alone decide the range, and of eight levels none is left for the other tokens;
with the squared size instead they count so little that they are clipped, which costs more.

Every range starts from the result of its own search, so that it never gets worse. Its two
parameters (both ends, or the largest level and the base of a logarithmic grid) are then scaled by
fractions of an octave, on a coarse grid and on finer ones around the best point so far. AdaLog's
progressive search works the same way; the grids are ours.
"""

from collections.abc import Callable, Iterator
from functools import singledispatch

import torch
from torch import Tensor, nn

from maskaq.models.attention import QuantizedAttention
from maskaq.quantization.conversion.calibration import setting_ranges
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.base import Quantizer, Uniform
from maskaq.quantization.quantizers.logarithmic import AdaptiveLog, LogBase, LogSqrt2
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.quantizers.per_token import input_quantizers
from maskaq.quantization.quantizers.range_search import affine_from

TOKENS = 500  # in a search
_LEAST_SIZE = 1e-3  # of a token's output, relative to the mean of all
# Octaves between neighbouring trials, and trials to either side.
_GRIDS = ((0.4, 3), (0.2, 1), (0.1, 1))

Scale = Callable[[float, float], None]


@torch.no_grad()
def set_ranges_by_output(q: nn.Module, images: Tensor) -> None:
    """Set all ranges of Q in one pass of normalised images [N,3,S,S].

    Ranges of softmax outputs and of the inputs of linear layers are chosen by the output error. All
    others, and ranges per channel, which could only be scaled together, are set as in `set_ranges`.
    Each layer sees inputs that the layers before it have quantized.
    """
    with setting_ranges(q, _OutputErrorObserver(q)):
        q(images)


class _OutputErrorObserver:
    """Calibrates quantizers; it knows what each one's output is multiplied by."""

    def __init__(self, q: nn.Module) -> None:
        self._layers: dict[Quantizer, QuantLinear] = {}
        self._values: dict[Quantizer, Quantizer] = {}  # value quantizer by softmax quantizer
        self._rounded: dict[Quantizer, Tensor] = {}  # values of the latest block
        for module in q.modules():
            if isinstance(module, QuantLinear):
                own = input_quantizers(module.input_quantizer)
                self._layers |= {quantizer: module for quantizer in own if quantizer.groups == 1}
            elif isinstance(module, QuantizedAttention):
                operands: dict[str, Quantizer] = dict(module.operands.items())  # type: ignore[arg-type]
                self._values[operands["softmax"]] = operands["value"]

    def __call__(self, quantizer: Quantizer, x: Tensor) -> None:
        quantizer.calibrate(x)
        if quantizer in self._values.values():
            self._rounded = {quantizer: quantizer.quantize(x)}  # [B,H,T,d]
        elif quantizer in self._layers:
            layer = self._layers[quantizer]
            layer.weight_quantizer.calibrate(layer.weight)
            weight = layer.weight_quantizer.quantize(layer.weight)
            minimise_output_error(quantizer, *_linear_operands(x, weight))
        elif quantizer in self._values:
            values = self._rounded[self._values[quantizer]]
            minimise_output_error(quantizer, *_softmax_operands(x, values))


def _linear_operands(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Some tokens [n,C_in] of x [...,C_in], and the matrix that multiplies them.

    That is W^T for a weight [C_out,C_in] with no more rows than columns, else R^T of W = Q R, which
    gives the same squared error: [C_in,min(C_in,C_out)].
    """
    rows = x.float().reshape(-1, x.shape[-1])  # [B*T,C_in]
    rows = rows[:: -(-len(rows) // TOKENS)]  # [n,C_in]
    if len(weight) > weight.shape[1]:
        weight = torch.linalg.qr(weight, mode="r").R  # [C_in,C_in]
    return rows, weight.T


def _softmax_operands(probs: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Some queries of all heads and images, [B*H,n,T], and their values [B*H,T,d]."""
    batch, _, tokens = probs.shape[:3]
    every = -(-batch * tokens // TOKENS)
    queries = probs[:, :, ::every].float()  # [B,H,n,T]
    return queries.flatten(0, 1), values.float().flatten(0, 1)  # [B*H,n,T], [B*H,T,d]


@torch.no_grad()
def minimise_output_error(quantizer: Quantizer, x: Tensor, other: Tensor) -> None:
    """Scale a calibrated quantizer's range to the least error of x @ other.

    The squared error of each row is divided by the row's norm.

    Args:
        x: input of the quantizer, [...,n,C].
        other: [...,C,k].
    """
    scale = range_scaler(quantizer)
    size = (x @ other).norm(dim=-1, keepdim=True)  # [...,n,1]
    weight = 1 / (size + _LEAST_SIZE * size.mean()).clamp(min=torch.finfo(size.dtype).tiny)
    errors: dict[tuple[float, float], float] = {}

    def error(point: tuple[float, float]) -> float:
        if point not in errors:
            scale(*point)
            difference = (quantizer.quantize(x) - x) @ other  # [...,n,k]
            errors[point] = difference.square_().mul_(weight).sum().item()
        return errors[point]

    best = (0.0, 0.0)
    for step, reach in _GRIDS:
        before = None
        while best != before:  # beyond a best point at the edge there may be a better one
            before, best = best, min(_square(best, step, reach), key=error)
    scale(*best)


def _square(best: tuple[float, float], step: float, reach: int) -> Iterator[tuple[float, float]]:
    """Points in a square around the best so far. That comes first, so that it wins a tie."""
    yield best
    offsets = [round(step * i, 6) for i in range(-reach, reach + 1)]
    yield from ((round(best[0] + a, 6), round(best[1] + b, 6)) for a in offsets for b in offsets)


@singledispatch
def range_scaler(quantizer: Quantizer) -> Scale:
    """A function that scales the two parameters of the current range by octaves."""
    raise TypeError(type(quantizer).__name__)


@range_scaler.register(Uniform)
@range_scaler.register(LearnedStep)
def _scale_ends(quantizer: Uniform | LearnedStep) -> Scale:
    low, high = (limit.clone() for limit in quantizer.limits())  # [G] each

    def scale(low_octaves: float, high_octaves: float) -> None:
        ends = low * 2**low_octaves, high * 2**high_octaves
        quantizer.set_grid(affine_from(*ends, quantizer.form))

    return scale


@range_scaler.register(LogSqrt2)
def _scale_largest(quantizer: LogSqrt2) -> Scale:
    delta = quantizer.delta.clone()  # [1]

    def scale(octaves: float, _: float) -> None:
        quantizer.delta.copy_(delta * 2**octaves)

    return scale


@range_scaler.register(AdaptiveLog)
@range_scaler.register(LogBase)
def _scale_largest_and_step(quantizer: AdaptiveLog | LogBase) -> Scale:
    delta, step = quantizer.delta.clone(), quantizer.step.clone()  # [1] each

    def scale(delta_octaves: float, step_octaves: float) -> None:
        quantizer.delta.copy_(delta * 2**delta_octaves)
        quantizer.step.copy_(step * 2**step_octaves)

    return scale
