"""Weights that learn whether to round down or up (AdaRound, Nagel et al., ICML 2020).

    w_hat = s clip(floor(w / s) + h(V), qmin, qmax)          h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1)

While they learn, h lies between 0 and 1, and a regulariser 1 - |2h - 1|^beta with falling beta
draws it to either end (Eq. 22 to 25). Only the rounding is free, so that few images can hardly
spoil it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.base import PerRow

__all__ = ["SoftRounding"]

STRETCH = 0.1  # how far the sigmoid reaches beyond 0 and 1, so that h gets there


class SoftRounding(nn.Module):
    """Takes the place of a layer's weight quantizer [C_out,C_in] while its rounding is learned."""

    def __init__(self, layer: QuantLinear) -> None:
        super().__init__()
        self._layer, self._source = [layer], layer.weight_quantizer  # a list hides it from modules
        source: PerRow = layer.weight_quantizer
        self._scale = source.scale[:, None]  # [C_out,1]
        steps = layer.weight.detach() / self._scale
        self._floor = steps.floor()
        share = (steps - self._floor).clamp(0.01, 0.99)  # of the way up, as it is
        inner = (share + STRETCH) / (1 + 2 * STRETCH)
        self.choice = nn.Parameter(torch.logit(inner))  # V
        layer.weight_quantizer = self  # type: ignore[assignment]

    def up(self) -> Tensor:
        """h(V) in 0..1, [C_out,C_in]."""
        return (self.choice.sigmoid() * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)

    def forward(self, weight: Tensor) -> Tensor:
        return self._rounded(self.up())

    def _rounded(self, up: Tensor) -> Tensor:
        form = self._source.form
        return (self._floor + up).clamp(form.qmin, form.qmax) * self._scale

    def undecided(self, beta: float) -> Tensor:
        """The regulariser, mean over the weights: []."""
        return 1 - (2 * self.up() - 1).abs().pow(beta).mean()

    @torch.no_grad()
    def settle(self) -> None:
        """Give the layer the weights that were decided, and its own quantizer back.

        They lie on the quantizer's levels, which therefore leaves them as they are.
        """
        (layer,) = self._layer
        layer.weight.copy_(self._rounded((self.choice >= 0).float()))
        layer.weight_quantizer = self._source
