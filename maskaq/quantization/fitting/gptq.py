"""Weights rounded one input after the other, so that later ones make up for what earlier ones lost.

GPTQ (Frantar et al., ICLR 2023, arXiv 2210.17323, algorithm 1) looks for the levels that change a
layer's product x W^T least for inputs like those seen. With the covariance H of x and the upper
Cholesky factor U of (H + damp)^-1, column j is rounded and its error e_j / U_jj taken out of the
columns behind it along U_j: one pass over the inputs in place of thousands of training steps.

Ours: H is taken about the mean, since a bias makes up for a shift of the mean by itself, and each
row's step is searched anew with errors counted as much as its inputs vary.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear

__all__ = ["Moments", "compensate", "watching"]

DAMP = 0.01  # share of the mean variance that is added to each
_STEPS = (0.35, 1.05, 29)  # trials of a row's step, in parts of the one that clips nothing
_BLOCK = 64  # columns whose errors reach the others at once


class Moments:
    """Mean [C] and covariance [C,C] of the inputs [...,C] of a layer, added up batch by batch."""

    def __init__(self) -> None:
        self._count, self._sum, self._square = 0, torch.zeros(()), torch.zeros(())

    def add(self, x: Tensor) -> None:
        rows = x.reshape(-1, x.shape[-1]).float()  # [n,C]
        self._count += len(rows)
        self._sum = self._sum + rows.sum(0).double()
        self._square = self._square + (rows.T @ rows).double()

    def mean(self) -> Tensor:
        return self._sum / self._count

    def covariance(self) -> Tensor:
        mean = self.mean()
        return self._square / self._count - mean[:, None] * mean


@contextmanager
def watching(block: nn.Module) -> Iterator[dict[QuantLinear, Moments]]:
    """While open, the moments of what the block's linear layers multiply: quantized inputs."""
    layers = [module for module in block.modules() if isinstance(module, QuantLinear)]
    found = {layer: Moments() for layer in layers}
    hooks = [
        layer.input_quantizer.register_forward_hook(
            lambda _, __, out, seen=found[layer]: seen.add(out)
        )
        for layer in layers
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def compensate(layer: QuantLinear, moments: Moments) -> None:
    """Choose a layer's levels, and its bias to go with them.

    A weight is left half-way between where it was and its level: rounding it gives the level, and
    whoever learns the rounding still sees which ones were near the edge.
    """
    weight, form = layer.weight.double(), layer.weight_quantizer.form
    covariance, mean = moments.covariance(), moments.mean()
    if layer.bias is None:  # nothing takes up a shift of the mean
        covariance = covariance + mean[:, None] * mean
    step = _steps(weight, covariance.diagonal(), form.qmin, form.qmax)
    levels = _rounded(weight, covariance, step, form.qmin, form.qmax)
    if layer.bias is not None:
        layer.bias.add_(((weight - levels) @ mean).float())
    apart = ((weight - levels) / step).clamp(-0.98, 0.98)
    layer.weight_quantizer.scale.copy_(step[:, 0])
    layer.weight.copy_(levels + step * apart / 2)


def _steps(weight: Tensor, variance: Tensor, low: int, high: int) -> Tensor:
    """Step of each row with the least error of its product, were inputs uncorrelated: [C_out,1]."""
    whole = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / high  # [C_out,1]
    trials = whole * torch.linspace(*_STEPS, dtype=weight.dtype, device=weight.device)
    errors = []
    for step in trials.T[..., None]:  # [C_out,1]
        off = (weight / step).round().clamp(low, high) * step - weight
        errors.append((off.square() * variance).sum(1))  # [C_out]
    best = torch.stack(errors).argmin(0)  # [C_out]
    return trials.gather(1, best[:, None])  # [C_out,1]


def _rounded(weight: Tensor, covariance: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """GPTQ's levels [C_out,C_in], inputs of the largest variance first."""
    variance = covariance.diagonal()
    order = variance.argsort(descending=True)
    hessian = covariance[order][:, order] + DAMP * variance.mean() * torch.eye(
        len(order), dtype=weight.dtype, device=weight.device
    )
    factor = torch.linalg.cholesky(torch.linalg.inv(hessian), upper=True)  # [C_in,C_in]
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
