"""LSQ: a uniform quantizer with a learned step size (Esser et al., arXiv 1902.08153).

The zero point is learned too, as in LSQ+ (arXiv 2004.09576). The step size is stored as its
logarithm, so that it cannot turn negative. Both are parameters and start from a range search.
"""

from typing import Any, cast

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer
from maskaq.quantization.quantizers.range_search import Affine
from maskaq.quantization.quantizers.straight_through import mask_gradient


@QUANTIZERS.register("lsq")
class LearnedStep(Quantizer):
    """x_hat = s (round(clip(x / s + round(z))) - round(z)) with learned s and z.

    s and z are [1] or, with one range per channel, [C].
    """

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.log_scale = nn.Parameter(torch.zeros(groups))
        self.zero_point = nn.Parameter(torch.zeros(groups))

    def set_range(self, x: Tensor) -> None:
        self.set_grid(self.search(x, self.form))

    def set_grid(self, affine: Affine) -> None:
        """Set step size and zero point."""
        self.log_scale.copy_(affine.scale.log())
        self.zero_point.copy_(affine.zero_point)

    def quantize(self, x: Tensor) -> Tensor:
        scale = self.log_scale.exp()
        if not (torch.is_grad_enabled() and self.log_scale.requires_grad):
            return learned_round(x, scale, self.zero_point, self.form.qmin, self.form.qmax)
        values = x.numel() / self.groups
        weight = float(1 / (values * self.form.qmax) ** 0.5)  # LSQ's gradient scale
        # d(log s) = ds / s. Dividing by s^2 makes an SGD step on log s move s as LSQ would.
        scale = _scale_gradient(scale, weight / scale.detach().square())
        zero_point = _scale_gradient(self.zero_point, weight)
        return learned_round(x, scale, zero_point, self.form.qmin, self.form.qmax)

    def limits(self) -> tuple[Tensor, Tensor]:
        scale, zero_point = self.log_scale.detach().exp(), self.zero_point.detach().round()
        return scale * (self.form.qmin - zero_point), scale * (self.form.qmax - zero_point)


def learned_round(x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int) -> Tensor:
    """Fake quantization with straight-through gradients to x, scale and zero point.

    Args:
        x: [...,C]. scale, zero_point: [1] or [C].
    """
    return cast(Tensor, _LearnedRound.apply(x, scale, zero_point, qmin, qmax))


class _LearnedRound(torch.autograd.Function):
    """`learned_round` with explicit gradients, in fewer passes than autograd would need.

    The straight-through gradients of out = s (round(x / s + round(z)) - round(z)) are d/dx = 1,
    d/ds = (out - x) / s and d/dz = 0 inside the range; 0, out / s and -s where x was clipped.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, zero_point: Tensor, qmin: int, qmax: int
    ) -> Tensor:
        zero_point = zero_point.round()
        steps = (x / scale).add_(zero_point)
        needs_gradient = any(ctx.needs_input_grad)
        codes = steps.clamp(qmin, qmax) if needs_gradient else steps.clamp_(qmin, qmax)
        out = codes.round_().sub_(zero_point).mul_(scale).to(x.dtype)
        if needs_gradient:
            # The first and the last code count as inside; x / s reaches them up to float error.
            tolerance = 4 * torch.finfo(steps.dtype).eps * max(-qmin, qmax)
            ctx.limits = qmin - tolerance, qmax + tolerance
            saved = (scale, x, out) if any(ctx.needs_input_grad[1:3]) else ()
            ctx.save_for_backward(steps.to(x.dtype), *saved)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        gradient, (steps, *saved) = gradients[0], ctx.saved_tensors
        to_x = mask_gradient(gradient, steps, *ctx.limits)
        if not saved:
            return to_x, None, None, None, None
        scale, x, out = saved
        to_scale = (_sum_like(gradient, out, scale) - _sum_like(to_x, x, scale)) / scale
        clipped = _sum_like(gradient, None, scale) - _sum_like(to_x, None, scale)
        return to_x, to_scale, -scale * clipped, None, None


def _sum_like(gradient: Tensor, factor: Tensor | None, like: Tensor) -> Tensor:
    """Sum of gradient * factor, [...,C] both, over the values that share a step: like `like`."""
    if factor is None:
        return gradient.sum_to_size(like.shape)
    if like.numel() > 1:
        return (gradient * factor).sum_to_size(like.shape)
    if gradient.dtype != torch.bfloat16:
        return torch.dot(gradient.flatten(), factor.flatten()).view_as(like)
    # torch's dot product of bfloat16 takes a CPU ten times as long.
    return (gradient * factor).sum(dtype=torch.float32).view_as(like)


def learned_steps(model: nn.Module) -> list[nn.Parameter]:
    """The step sizes and zero points of a model's `LearnedStep` quantizers."""
    learned = [module for module in model.modules() if isinstance(module, LearnedStep)]
    return [parameter for module in learned for parameter in module.parameters()]


def _scale_gradient(x: Tensor, factor: Tensor | float) -> Tensor:
    """x, bit for bit, with its gradient multiplied by `factor`."""
    scaled = x * factor
    return x.detach() + (scaled - scaled.detach())
