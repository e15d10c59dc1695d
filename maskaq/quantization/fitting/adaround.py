"""Learned rounding of weights (AdaRound, Nagel et al., ICML 2020).

    w_hat = s clip(floor(w / s) + h(V), qmin, qmax)          h(V) = clip(1.2 sigmoid(V) - 0.1, 0, 1)

During training h is between 0 and 1, and the regulariser 1 - |2h - 1|^beta with decreasing beta
pushes it to either end (Eq. 22 to 25). Since only the direction of rounding is learned, even few
images hardly overfit.
"""

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.base import PerRow

STRETCH = 0.1  # how far the sigmoid extends beyond 0 and 1, so that h reaches both


class SoftRounding(nn.Module):
    """Replaces a layer's weight quantizer while the rounding of its weight [C_out,C_in] is learned.

    choice: V, [C_out,C_in].
    """

    def __init__(self, layer: QuantLinear) -> None:
        super().__init__()
        self._layer, self._source = [layer], layer.weight_quantizer  # a list hides it from modules
        source: PerRow = layer.weight_quantizer
        self._scale = source.scale[:, None]  # [C_out,1]
        steps = layer.weight.detach() / self._scale
        self._floor = steps.floor()
        fraction = (steps - self._floor).clamp(0.01, 0.99)  # the initial h
        sigmoid = (fraction + STRETCH) / (1 + 2 * STRETCH)
        self.choice = nn.Parameter(torch.logit(sigmoid))
        layer.weight_quantizer = self  # type: ignore[assignment]

    def h(self) -> Tensor:
        """h(V) between 0 (down) and 1 (up), [C_out,C_in]."""
        return (self.choice.sigmoid() * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)

    def forward(self, weight: Tensor) -> Tensor:
        return self._round(self.h())

    def _round(self, h: Tensor) -> Tensor:
        form = self._source.form
        return (self._floor + h).clamp(form.qmin, form.qmax) * self._scale

    def regulariser(self, beta: float) -> Tensor:
        """1 - |2h - 1|^beta, averaged over the weights: []."""
        return 1 - (2 * self.h() - 1).abs().pow(beta).mean()

    @torch.no_grad()
    def finish(self) -> None:
        """Round the layer's weight as learned, and put its own quantizer back.

        The new weight lies on the levels of that quantizer, which leaves it unchanged.
        """
        (layer,) = self._layer
        layer.weight.copy_(self._round((self.choice >= 0).float()))
        layer.weight_quantizer = self._source
