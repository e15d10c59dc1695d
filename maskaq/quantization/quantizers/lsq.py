"""LSQ: a uniform quantizer whose step and zero point are learned (Esser et al., arXiv 1902.08153).

The zero point is learned too, as in LSQ+ (arXiv 2004.09576). The step is stored as its logarithm,
so that it can never turn negative; both are parameters, so all state is in the state dict. The
range starts from a search on finished images, not on noise.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer, inside
from maskaq.quantization.quantizers.range_search import Affine


@QUANTIZERS.register("lsq")
class LearnedStep(Quantizer):
    """x_hat = s (round(clip(x / s + round(z))) - round(z)).

    s and z are learned, [1] or one per channel [C].
    """

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.log_scale = nn.Parameter(torch.zeros(groups))
        self.zero_point = nn.Parameter(torch.zeros(groups))

    def set_range(self, x: Tensor) -> None:
        self.set_grid(self.search(x, self.form))

    def set_grid(self, affine: Affine) -> None:
        self.log_scale.copy_(affine.scale.log())
        self.zero_point.copy_(affine.zero_point)

    def quantize(self, x: Tensor) -> Tensor:
        scale = self.log_scale.exp()
        if not (torch.is_grad_enabled() and self.log_scale.requires_grad):
            return learned_round(x, scale, self.zero_point, self.form.qmin, self.form.qmax)
        values = x.numel() / self.groups
        weight = float(1 / (values * self.form.qmax) ** 0.5)  # LSQ's gradient scale
        # d(log s) = ds / s: dividing by s^2 makes one SGD step on log s move s as LSQ would.
        scale = _scale_gradient(scale, weight / scale.detach().square())
        zero_point = _scale_gradient(self.zero_point, weight)
        return learned_round(x, scale, zero_point, self.form.qmin, self.form.qmax)

    def limits(self) -> tuple[Tensor, Tensor]:
        scale, zero_point = self.log_scale.detach().exp(), self.zero_point.detach().round()
        return scale * (self.form.qmin - zero_point), scale * (self.form.qmax - zero_point)


def learned_round(x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
    """Fake quantization with gradients to x, scale and zero point (rounding straight through).

    Args:
        x: [...,C]. scale, zero_point: [1] or [C].
    """
    return cast(Tensor, _LearnedRound.apply(x, scale, zero_point, qmin, qmax))


class _LearnedRound(torch.autograd.Function):
    """`learned_round` in place of a dozen passes, with the gradients worked out by hand.

    Where x is inside the range, out = s (round(x/s + round(z)) - round(z)) has, straight through,
    d/dx = 1, d/ds = (out - x)/s and d/dz = 0; where it was clipped 0, out/s and -s.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int
    ) -> Tensor:
        zero_point = zero_point.round()
        steps = (x / scale).add_(zero_point)
        learns = any(ctx.needs_input_grad)
        codes = steps.clamp(qmin, qmax) if learns else steps.clamp_(qmin, qmax)
        out = codes.round_().sub_(zero_point).mul_(scale).to(x.dtype)
        if learns:
            # The first and the last code are inside, reached up to the last digits.
            edge = 4 * torch.finfo(steps.dtype).eps * max(-qmin, qmax)
            ctx.limits = qmin - edge, qmax + edge
            more = (scale, x, out) if any(ctx.needs_input_grad[1:3]) else ()
            ctx.save_for_backward(steps.to(x.dtype), *more)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (steps, *learned) = gradients[0], ctx.saved_tensors
        through = inside(gradient, steps, *ctx.limits)
        if not learned:
            return through, None, None, None, None
        scale, x, out = learned
        to_scale = (_total(gradient, out, scale) - _total(through, x, scale)) / scale
        clipped = _total(gradient, None, scale) - _total(through, None, scale)
        return through, to_scale, -scale * clipped, None, None


def _total(gradient: Tensor, factor: Tensor | None, like: Tensor) -> Tensor:
    """Sum of gradient [...,C], times a factor of the same shape, over all that shares a step."""
    if factor is None:
        return gradient.sum_to_size(like.shape)
    if like.numel() == 1:
        return torch.dot(gradient.flatten(), factor.flatten()).view_as(like)
    return (gradient * factor).sum_to_size(like.shape)


def learned_steps(model: nn.Module) -> list[nn.Parameter]:
    """Steps and zero points that a model's activations learn."""
    found = [module for module in model.modules() if isinstance(module, LearnedStep)]
    return [parameter for module in found for parameter in module.parameters()]


def released_start(x: Tensor, bits: int) -> tuple[Tensor, Tensor, int, int]:
    """Where MaskAQ's released code starts LSQ: scale [1], zero point [1], qmin, qmax.

    Signed as soon as min(x) < 1e-5, which wastes half the codes on softmax outputs; the zero
    point is a tenth of a value, not a code. Kept to compare with, used by no back-end.
    """
    signed = bool(x.min() < 1e-5)
    qmin, qmax = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    scale = 2 * x.abs().mean() / qmax**0.5
    return scale.reshape(1), (0.1 * (x.min() - scale * qmax)).reshape(1), qmin, qmax


def _scale_gradient(x: Tensor, factor: Tensor | float) -> Tensor:
    """x itself, to the last bit, with its gradient multiplied by `factor`."""
    scaled = x * factor
    return x.detach() + (scaled - scaled.detach())
