"""GPTQ: round the columns of a weight in turn, each compensating the errors of those before it.

GPTQ (Frantar et al., ICLR 2023, arXiv 2210.17323, algorithm 1) finds the levels that change a
layer's output x W^T least for the inputs seen. With the covariance H of x and the upper Cholesky
factor U of (H + damp)^-1, it rounds column j and subtracts the error e_j / U_jj along U_j from the
columns after it. This takes one pass over the inputs instead of thousands of training steps.

Our changes: H is centred, since the bias can absorb a shift of the mean; the step size of each row
is searched again, with errors weighted by the variance of the inputs; and coordinate descent
(`fitting.descent`) improves steps and levels afterwards.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.descent import descend

DAMP = 0.01  # share of the mean variance that is added to each variance
_STEPS = (0.35, 1.05, 29)  # trials of a row's step size, relative to the one that clips nothing
_BLOCK = 64  # columns whose errors are passed on together


class Moments:
    """Mean [C] and covariance [C,C] of a layer's inputs [...,C], accumulated over batches."""

    def __init__(self) -> None:
        self._count, self._sum, self._square = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: Tensor) -> None:
        """Add a batch [...,C]."""
        rows = x.reshape(-1, x.shape[-1]).float()  # [n,C]
        self._count += len(rows)
        self._sum = self._sum + rows.sum(0).double()
        self._square = self._square + (rows.T @ rows).double()

    def mean(self) -> Tensor:
        """[C], float64."""
        return self._sum / self._count

    def covariance(self) -> Tensor:
        """[C,C], float64."""
        mean = self.mean()
        return self._square / self._count - mean[:, None] * mean


@contextmanager
def recording_moments(block: nn.Module) -> Iterator[dict[QuantLinear, Moments]]:
    """While open, record the moments of the quantized inputs of the block's linear layers."""
    layers = [module for module in block.modules() if isinstance(module, QuantLinear)]
    moments = {layer: Moments() for layer in layers}
    hooks = [
        layer.input_quantizer.register_forward_hook(
            lambda _, __, out, own=moments[layer]: own.add(out)
        )
        for layer in layers
    ]
    try:
        yield moments
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def apply_gptq(layer: QuantLinear, moments: Moments) -> None:
    """Choose the step sizes and levels of a layer's weight, and adapt its bias, in place.

    Each weight ends half-way between its old value and its level. Rounding it gives the level, and
    learned rounding that follows still starts from how close the decision was.
    """
    weight, form = layer.weight.double(), layer.weight_quantizer.form
    covariance, mean = moments.covariance(), moments.mean()
    if layer.bias is None:  # nothing absorbs a shift of the mean
        covariance = covariance + mean[:, None] * mean
    step = _steps(weight, covariance.diagonal(), form.qmin, form.qmax)
    damp = DAMP * covariance.diagonal().mean()
    hessian = covariance + damp * torch.eye(len(covariance)).to(covariance)  # [C_in,C_in]
    levels = gptq_levels(weight, hessian, step, form.qmin, form.qmax)
    levels, step = descend(weight, levels, step, hessian, form.qmin, form.qmax)
    if layer.bias is not None:
        layer.bias.add_(((weight - levels) @ mean).float())
    error = ((weight - levels) / step).clamp(-0.98, 0.98)
    layer.weight_quantizer.scale.copy_(step[:, 0])
    layer.weight.copy_(levels + step * error / 2)


def _steps(weight: Tensor, variance: Tensor, low: int, high: int) -> Tensor:
    """Step size of each row with the least output error for uncorrelated inputs: [C_out,1]."""
    largest = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / high  # [C_out,1]
    factors = torch.linspace(*_STEPS, dtype=weight.dtype, device=weight.device)  # [S]
    trials = largest * factors  # [C_out,S]
    errors = []
    for step in trials.T[..., None]:  # [C_out,1]
        error = (weight / step).round().clamp(low, high) * step - weight
        errors.append((error.square() * variance).sum(1))  # [C_out]
    best = torch.stack(errors).argmin(0)  # [C_out]
    return trials.gather(1, best[:, None])  # [C_out,1]


def gptq_levels(weight: Tensor, hessian: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """GPTQ's levels [C_out,C_in]; columns are rounded in descending order of variance.

    Args:
        weight: [C_out,C_in].
        hessian: covariance of the layer's inputs, damped: [C_in,C_in].
        step: size of each row, [C_out,1]. Levels are `low` to `high` times it.
    """
    order = hessian.diagonal().argsort(descending=True)
    inverse = torch.linalg.inv(hessian[order][:, order])  # [C_in,C_in]
    factor = torch.linalg.cholesky(inverse, upper=True)  # [C_in,C_in]
    left, levels = weight[:, order], torch.zeros_like(weight)
    for first in range(0, len(order), _BLOCK):
        errors = []
        end = min(first + _BLOCK, len(order))
        for j in range(first, end):
            level = (left[:, j, None] / step).round().clamp(low, high) * step  # [C_out,1]
            levels[:, j, None] = level
            errors.append((left[:, j, None] - level) / factor[j, j])
            left[:, j + 1 : end] -= errors[-1] * factor[j, j + 1 : end]
        left[:, end:] -= torch.cat(errors, 1) @ factor[first:end, end:]
    return levels[:, order.argsort()]
