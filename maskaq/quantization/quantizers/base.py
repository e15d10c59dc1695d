"""Quantizers: modules that round a tensor to few levels and back, in float ("fake" quantization).

A quantizer's state lives in buffers or parameters, so a saved Q comes back complete. Its range is
set in one explicit calibration pass (`calibrating`); using it before that raises. Gradients pass
straight through rounding and stop where a value is clipped.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.errors import NotCalibratedError
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.range_search import SEARCHES, Affine, Search, minmax, sample
from maskaq.registry import Registry

_LOG_SAMPLE = 2**16  # values that the two-dimensional search of AdaptiveLog looks at


class Quantizer(nn.Module):
    """Base: calibration state and the choice between observing and quantizing.

    Args:
        bits: 2 to 8.
        groups: 1 for one range per tensor, else the number of channels (last dimension).
        search: name in `SEARCHES`, used by `calibrate`.
    """

    ready: Tensor

    def __init__(self, bits: int, groups: int, search: str, signed: bool = False) -> None:
        super().__init__()
        self.form = IntegerFormat(bits, signed)
        self.groups = groups
        self.search: Search = SEARCHES[search]
        self.observer: Callable[[Quantizer, Tensor], None] | None = None
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        if self.observer is not None:
            self.observer(self, x)
        if not self.ready:
            raise NotCalibratedError(
                f"{type(self).__name__} has no range yet: run Q once inside calibrating(q)."
            )
        return self.quantize(x)

    def calibrate(self, x: Tensor) -> None:
        """Set the range from all values of x [...,C]."""
        with torch.no_grad():
            self.set_range(sample(x, self.groups, every_value=self.search is minmax))
            self.ready.fill_(True)

    @abstractmethod
    def set_range(self, x: Tensor) -> None:
        """Set the range from values [n,G]."""

    @abstractmethod
    def quantize(self, x: Tensor) -> Tensor:
        """Round and de-quantize, same shape."""

    @abstractmethod
    def limits(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest value that is not clipped, [G] each."""


Maker = Callable[[int, int, str], Quantizer]
QUANTIZERS: Registry[Maker] = Registry("quantizer")


@QUANTIZERS.register("uniform")
class Uniform(Quantizer):
    """Evenly spaced levels: code = clip(round(x / s) + z), x_hat = s (code - z)."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, bits: int, groups: int, search: str, signed: bool = False) -> None:
        super().__init__(bits, groups, search, signed)
        self.register_buffer("scale", torch.ones(groups))
        self.register_buffer("zero_point", torch.zeros(groups))

    def set_range(self, x: Tensor) -> None:
        self.set_grid(self.search(x, self.form))

    def set_grid(self, affine: Affine) -> None:
        self.scale.copy_(affine.scale)
        self.zero_point.copy_(affine.zero_point)

    def quantize(self, x: Tensor) -> Tensor:
        return _round(x, self.scale, self.zero_point, self.form)

    def limits(self) -> tuple[Tensor, Tensor]:
        return (
            self.scale * (self.form.qmin - self.zero_point),
            self.scale * (self.form.qmax - self.zero_point),
        )


class PerRow(Uniform):
    """Symmetric weights, one step per output channel: [C_out,...], any trailing shape."""

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search, signed=True)

    def calibrate(self, x: Tensor) -> None:
        # Every weight counts, however large the layer: no subsampling here.
        with torch.no_grad():
            self.set_range(x.detach().float().flatten(1).T)  # [n,C_out]
            self.ready.fill_(True)

    def quantize(self, x: Tensor) -> Tensor:
        column = (-1, *[1] * (x.ndim - 1))
        scale, zero_point = self.scale.view(column), self.zero_point.view(column)  # [C_out,1,..]
        return _round(x, scale, zero_point, self.form)


@QUANTIZERS.register("log-sqrt2")
class LogSqrt2(Quantizer):
    """Levels delta * 2^(-code/2) for values in [0, 1], after RepQ-ViT (arXiv 2212.08254).

    The last code stands for zero, so b bits make exactly 2^b levels. `search` is not used: delta
    is the one of 20 shrunk maxima with the least squared error.
    """

    delta: Tensor
    octaves: float = 0.5  # from one level to the next

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.register_buffer("delta", torch.ones(groups))

    def set_range(self, x: Tensor) -> None:
        largest = x.amax(0).clamp(min=torch.finfo(torch.float32).tiny)  # [G]
        trials = torch.linspace(1, 0.05, 20, device=x.device)[:, None] * largest  # [20,G]
        log = x.log2()  # [n,G], once for all trials
        errors = [self._level(log, d).sub_(x).square_().mean(0) for d in trials]  # [G] each
        best = torch.stack(errors).argmin(0, keepdim=True)  # [1,G]
        self.delta.copy_(trials.gather(0, best)[0])

    def _level(self, log: Tensor, delta: Tensor) -> Tensor:
        """The level nearest to each value whose log2 is given."""
        steps = (log - delta.log2()).mul_(1 / self.octaves)
        return drop_last(steps, self.form).mul_(self.octaves).exp2_().mul_(delta)

    def quantize(self, x: Tensor) -> Tensor:
        rounded = self._level(x.detach().float().log2(), self.delta).to(x.dtype)
        return cast(Tensor, _Through.apply(x, rounded, float(self.delta)))

    def limits(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.delta), self.delta


@QUANTIZERS.register("adaptive-log")
class AdaptiveLog(Quantizer):
    """Levels delta * 2^(-t code) - shift for GELU outputs, after AdaLog (Wu et al., ECCV 2024).

    GELU is never below -shift, so that shifted values have a logarithm; the last code stands for 0
    of them. Many outputs are small and a few very large (207 in ViT-Tiny, where the 99.9th
    percentile is 4): a uniform grid serves one or the other. `search` is not used: delta is one of
    19 shrunk maxima and t one of 12 steps, the pair with the least squared error.
    """

    SHIFT: ClassVar[float] = 0.17  # min GELU is -0.16997
    OCTAVES: ClassVar[tuple[float, float]] = (2.4, 16.0)  # spanned by the codes, least and most
    delta: Tensor
    step: Tensor

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.register_buffer("delta", torch.ones(groups))
        self.register_buffer("step", torch.full((groups,), 0.5))

    def set_range(self, x: Tensor) -> None:
        x = x[:: max(1, len(x) // _LOG_SAMPLE)]  # [fewer,G]
        largest = (x.amax(0) + self.SHIFT).clamp(min=torch.finfo(torch.float32).tiny)  # [G]
        steps = torch.linspace(*self.OCTAVES, 12, device=x.device) / len(self.form.codes)
        steps = steps[:, None, None]  # [12,1,1]
        log, least = self._log(x), torch.full_like(largest, torch.inf)
        for delta in torch.linspace(1, 0.1, 19, device=x.device)[:, None] * largest:  # [G]
            errors = self._level(log, delta, steps).sub_(x).square_().mean(1)  # [12,G]
            error, which = errors.min(0)  # [G] each
            better = error < least
            least = torch.where(better, error, least)
            self.delta.copy_(torch.where(better, delta, self.delta))
            self.step.copy_(torch.where(better, steps[which, 0, 0], self.step))

    def _log(self, x: Tensor) -> Tensor:
        # Rounding noise below -shift has no logarithm; clamped, it takes the last code.
        return x.add(self.SHIFT).clamp_(min=torch.finfo(torch.float32).tiny).log2_()

    def _level(self, log: Tensor, delta: Tensor, step: Tensor) -> Tensor:
        """The level nearest to each value whose log2 is given."""
        octaves = drop_last((log - delta.log2()).div(step), self.form).mul_(step)
        return octaves.exp2_().mul_(delta).sub_(self.SHIFT)

    def quantize(self, x: Tensor) -> Tensor:
        rounded = self._level(self._log(x.detach().float()), self.delta, self.step).to(x.dtype)
        return cast(Tensor, _Through.apply(x, rounded, float(self.delta) - self.SHIFT))

    def limits(self) -> tuple[Tensor, Tensor]:
        return torch.full_like(self.delta, -self.SHIFT), self.delta - self.SHIFT


def drop_last(steps: Tensor, form: IntegerFormat) -> Tensor:
    """Negated codes of logarithmic levels, from log2 in steps, in place; the last one is -inf.

    The power of that is 0. Filling a mask with 0 afterwards took a third of the whole rounding.
    """
    codes = steps.round_().clamp_(max=0)
    return F.threshold(codes, 0.5 - form.qmax, -torch.inf, inplace=True)


def _round(x: Tensor, scale: Tensor, zero_point: Tensor, form: IntegerFormat) -> Tensor:
    return cast(Tensor, StraightThrough.apply(x, scale, zero_point, form.qmin, form.qmax))


def inside(gradient: Tensor, x: Tensor, low: float, high: float) -> Tensor:
    """The gradient where x is between two numbers, both excluded, and 0 elsewhere.

    In one pass. A comparison makes a mask of bools, and making one or multiplying with one takes a
    CPU five to ten times as long as arithmetic on floats.
    """
    kept: Tensor = torch.ops.aten.hardtanh_backward(gradient, x.to(gradient.dtype), low, high)
    return kept


class _Through(torch.autograd.Function):
    """`rounded` in place of x; the gradient is 1 up to `most`, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounded: Tensor, most: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.most = most
        return rounded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (x,) = ctx.saved_tensors
        above = ctx.most + abs(ctx.most) * torch.finfo(x.dtype).eps
        return inside(gradients[0], x, -math.inf, above), None, None


class StraightThrough(torch.autograd.Function):
    """Uniform fake quantization whose gradient is 1 inside the range and 0 where x was clipped.

    In-place passes over one buffer: on a CPU 5 to 15 times faster than torch's fused operators.
    Rounded in float32, given back in the precision of x.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int
    ) -> Tensor:
        codes = (x / scale).round_().add_(zero_point)
        if ctx.needs_input_grad[0]:
            # Whole numbers: bfloat16 holds those up to 256, and all above stay above 255.
            ctx.save_for_backward(codes.bfloat16())
            ctx.limits = qmin - 0.5, qmax + 0.5
        return codes.clamp_(qmin, qmax).sub_(zero_point).mul_(scale).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (codes,) = ctx.saved_tensors
        return inside(gradients[0], codes, *ctx.limits), None, None, None, None


def quantizers(model: nn.Module) -> Iterator[tuple[str, Quantizer]]:
    """All quantizers of Q with their dotted names."""
    for name, module in model.named_modules():
        if isinstance(module, Quantizer):
            yield name, module


@contextmanager
def observing(model: nn.Module, observer: Callable[[Quantizer, Tensor], None]) -> Iterator[None]:
    """While open, every quantizer calls `observer(itself, x)` before it quantizes."""
    found = [quantizer for _, quantizer in quantizers(model)]
    for quantizer in found:
        quantizer.observer = observer
    try:
        yield
    finally:
        for quantizer in found:
            quantizer.observer = None


@contextmanager
def calibrating(model: nn.Module) -> Iterator[None]:
    """While open, every quantizer sets its range from what it is given, then quantizes.

    One forward pass inside calibrates all of Q, weights included, each layer on inputs that the
    layers before it have already quantized.
    """
    with observing(model, lambda quantizer, x: quantizer.calibrate(x)):
        yield
