"""A Q that no longer changes, for what synthesis asks of it: gradients to the image, and maps."""

from __future__ import annotations

import copy

import torch
from torch import nn

from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear

__all__ = ["steady"]


@torch.no_grad()
def steady(q: nn.Module) -> nn.Module:
    """A copy of Q whose weights are rounded once instead of in every pass; frozen.

    Answers and gradients are those of Q.

    Raises:
        NotCalibratedError: a quantizer of a weight has no range yet.
    """
    made = copy.deepcopy(q).requires_grad_(False)
    for module in made.modules():
        if isinstance(module, QuantLinear | QuantConv2d):
            weight = module.weight_quantizer(module.weight)
            module.weight = nn.Parameter(weight, requires_grad=False)
            module.weight_quantizer = nn.Identity()  # type: ignore[assignment]
    return made
