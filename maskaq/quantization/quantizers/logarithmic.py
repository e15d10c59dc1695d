"""Logarithmic grids for softmax and GELU outputs: many small values, few large ones.

    log-sqrt2      levels delta * 2^(-code / 2), for values in [0, 1] (RepQ-ViT)
    log-base       levels delta * 2^(-t code), for values in [0, 1] (AdaLog)
    adaptive-log   levels delta * 2^(-t code) - shift, for GELU outputs (AdaLog)

RepQ-ViT: Li et al., ICCV 2023, arXiv 2212.08254. AdaLog: Wu et al., ECCV 2024, arXiv 2407.12951.
The last code of each grid means 0 before the shift, so that b bits have exactly 2^b levels.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.straight_through import replace_rounded

_MOST_SAMPLES = 2**16  # values that the two-dimensional search of AdaptiveLog looks at


@QUANTIZERS.register("log-sqrt2")
class LogSqrt2(Quantizer):
    """Levels delta * 2^(-code/2) for values in [0, 1].

    The search named at construction is not used: delta is one of 20 fractions of the maximum, the
    one with the least squared error.
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
        errors = [self._round_log(log, d).sub_(x).square_().mean(0) for d in trials]  # [G] each
        best = torch.stack(errors).argmin(0, keepdim=True)  # [1,G]
        self.delta.copy_(trials.gather(0, best)[0])

    def _round_log(self, log: Tensor, delta: Tensor) -> Tensor:
        """The level nearest to each value, given the log2 of the values."""
        steps = (log - delta.log2()).mul_(1 / self.octaves)
        return negated_codes(steps, self.form).mul_(self.octaves).exp2_().mul_(delta)

    def quantize(self, x: Tensor) -> Tensor:
        rounded = self._round_log(x.detach().float().log2(), self.delta).to(x.dtype)
        return replace_rounded(x, rounded, float(self.delta))

    def limits(self) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(self.delta), self.delta


@QUANTIZERS.register("log-base")
class LogBase(LogSqrt2):
    """Levels delta * 2^(-t code) for values in [0, 1]; log-sqrt2 is the case t = 1/2.

    Calibration leaves t at 1/2. The t with the least squared error of the values was worse: the
    many small probabilities add up, and their squares do not show it. `fitting.output_error`
    searches t by the error of the layer's output.
    """

    step: Tensor

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.register_buffer("step", torch.full((groups,), LogSqrt2.octaves))

    @property
    def octaves(self) -> float:  # type: ignore[override]
        """From one level to the next: t."""
        return float(self.step)


@QUANTIZERS.register("adaptive-log")
class AdaptiveLog(Quantizer):
    """Levels delta * 2^(-t code) - shift for GELU outputs.

    GELU is never below -shift, so that shifted values have a logarithm. Many outputs are small and
    a few very large (207 in ViT-Tiny, where the 99.9th percentile is 4): a uniform grid can only
    serve one of the two. The search named at construction is not used: delta is one of 19 fractions
    of the maximum and t one of 12 steps, the pair with the least squared error.
    """

    SHIFT: ClassVar[float] = 0.17  # min GELU is -0.16997
    OCTAVES: ClassVar[tuple[float, float]] = (2.4, 16.0)  # least and most that the codes span
    delta: Tensor
    step: Tensor

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.register_buffer("delta", torch.ones(groups))
        self.register_buffer("step", torch.full((groups,), 0.5))

    def set_range(self, x: Tensor) -> None:
        x = x[:: max(1, len(x) // _MOST_SAMPLES)]  # [fewer,G]
        largest = (x.amax(0) + self.SHIFT).clamp(min=torch.finfo(torch.float32).tiny)  # [G]
        steps = torch.linspace(*self.OCTAVES, 12, device=x.device) / len(self.form.codes)
        steps = steps[:, None, None]  # [12,1,1]
        log, least = self._log(x), torch.full_like(largest, torch.inf)
        for delta in torch.linspace(1, 0.1, 19, device=x.device)[:, None] * largest:  # [G]
            errors = self._round_log(log, delta, steps).sub_(x).square_().mean(1)  # [12,G]
            error, which = errors.min(0)  # [G] each
            better = error < least
            least = torch.where(better, error, least)
            self.delta.copy_(torch.where(better, delta, self.delta))
            self.step.copy_(torch.where(better, steps[which, 0, 0], self.step))

    def _log(self, x: Tensor) -> Tensor:
        # Values below -shift are rounding noise and have no logarithm: clamped to the last code.
        return x.add(self.SHIFT).clamp_(min=torch.finfo(torch.float32).tiny).log2_()

    def _round_log(self, log: Tensor, delta: Tensor, step: Tensor) -> Tensor:
        """The level nearest to each value, given the log2 of the shifted values."""
        octaves = negated_codes((log - delta.log2()).div(step), self.form).mul_(step)
        return octaves.exp2_().mul_(delta).sub_(self.SHIFT)

    def quantize(self, x: Tensor) -> Tensor:
        rounded = self._round_log(self._log(x.detach().float()), self.delta, self.step).to(x.dtype)
        return replace_rounded(x, rounded, float(self.delta) - self.SHIFT)

    def limits(self) -> tuple[Tensor, Tensor]:
        return torch.full_like(self.delta, -self.SHIFT), self.delta - self.SHIFT


def negated_codes(steps: Tensor, form: IntegerFormat) -> Tensor:
    """Negated codes from log2(x / delta) in steps, in place; -inf for the last code.

    2^-inf is 0, the level of the last code. Filling in 0 by a mask afterwards would take a third of
    the time of the whole rounding.
    """
    codes = steps.round_().clamp_(max=0)
    return F.threshold(codes, 0.5 - form.qmax, -torch.inf, inplace=True)
