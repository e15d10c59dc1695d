"""LSQ: a uniform quantizer whose step and zero point are learned (Esser et al., arXiv 1902.08153).

The zero point is learned too, as in LSQ+ (arXiv 2004.09576). The step is stored as its logarithm,
so that it can never turn negative; both are parameters, so all state is in the state dict. The
range starts from a search on finished images, not on noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers import QUANTIZERS, Quantizer


@QUANTIZERS.register("lsq")
class LearnedStep(Quantizer):
    """x_hat = s (round(clip(x / s + z)) - round(z)); s, z learned, [1] or one per channel [C]."""

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.log_scale = nn.Parameter(torch.zeros(groups))
        self.zero_point = nn.Parameter(torch.zeros(groups))

    def set_range(self, x: Tensor) -> None:
        affine = self.search(x, self.form)
        self.log_scale.copy_(affine.scale.log())
        self.zero_point.copy_(affine.zero_point)

    def quantize(self, x: Tensor) -> Tensor:
        x, scale = x.float(), self.log_scale.exp()
        values = x.numel() / self.groups
        weight = float(1 / (values * self.form.qmax) ** 0.5)  # LSQ's gradient scale
        if not torch.is_grad_enabled():
            return learned_round(x, scale, self.zero_point, self.form.qmin, self.form.qmax)
        # d(log s) = ds / s: dividing by s^2 makes one SGD step on log s move s as LSQ would.
        scale = _scale_gradient(scale, weight / scale.detach().square())
        zero_point = _scale_gradient(self.zero_point, weight)
        return learned_round(x, scale, zero_point, self.form.qmin, self.form.qmax)

    def limits(self) -> tuple[Tensor, Tensor]:
        scale, zero_point = self.log_scale.detach().exp(), self.zero_point.detach().round()
        return scale * (self.form.qmin - zero_point), scale * (self.form.qmax - zero_point)


def learned_round(x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
    """Fake quantization with gradients to x, scale and zero point (rounding straight through)."""
    if not torch.is_grad_enabled():  # the same arithmetic, in one buffer
        zero_point = zero_point.round()
        codes = (x / scale).add_(zero_point).clamp_(qmin, qmax).round_()
        return codes.sub_(zero_point).mul_(scale)
    zero_point = _round_through(zero_point)
    codes = _round_through((x / scale + zero_point).clamp(qmin, qmax))
    return (codes - zero_point) * scale


def released_start(x: Tensor, bits: int) -> tuple[Tensor, Tensor, int, int]:
    """Where MaskAQ's released code starts LSQ: scale [1], zero point [1], qmin, qmax.

    Signed as soon as min(x) < 1e-5, which wastes half the codes on softmax outputs; the zero
    point is a tenth of a value, not a code. Kept to compare with, used by no back-end.
    """
    signed = bool(x.min() < 1e-5)
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    scale = 2 * x.abs().mean() / qmax**0.5
    return scale.reshape(1), (0.1 * (x.min() - scale * qmax)).reshape(1), qmin, qmax


def _round_through(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


def _scale_gradient(x: Tensor, factor: Tensor | float) -> Tensor:
    """x itself, to the last bit, with its gradient multiplied by `factor`."""
    scaled = x * factor
    return x.detach() + (scaled - scaled.detach())
