"""A finished Q made fast for many images: what no longer changes is computed once.

Weights are rounded once instead of in every pass. And linear layers are written as convolutions of
1x1: the same product, but on a processor torch gives convolutions to oneDNN and linear layers to
MKL, which is slow on other makes than Intel's (two cores of an EPYC, float32: 350 against 170
GFLOP/s; on one core torch treats both alike).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.quantization.layers import QuantConv2d, QuantLinear


@torch.no_grad()
def freeze_weights(q: nn.Module) -> None:
    """Round the weights of Q for good, in place; it can be evaluated afterwards, nothing else.

    Answers are those of Q before, up to the last digits of a sum of products.

    Raises:
        NotCalibratedError: a weight has no range yet.
    """
    for name, module in list(q.named_modules()):
        if isinstance(module, QuantLinear):
            parent, _, child = name.rpartition(".")
            setattr(q.get_submodule(parent), child, FrozenLinear(module))
        elif isinstance(module, QuantConv2d):
            module.weight = _fixed(module.weight_quantizer(module.weight))
            module.weight_quantizer = nn.Identity()  # type: ignore[assignment]


class FrozenLinear(nn.Module):
    """A `QuantLinear` whose weight is rounded already."""

    def __init__(self, source: QuantLinear) -> None:
        super().__init__()
        self.input_quantizer = source.input_quantizer
        self.bias = source.bias
        weight = source.weight_quantizer(source.weight)[..., None, None]  # [C_out,C_in,1,1]
        self.weight = _fixed(weight.contiguous(memory_format=torch.channels_last))

    def forward(self, x: Tensor) -> Tensor:
        x = self.input_quantizer(x)
        if x.ndim != 3:  # the head, on one token
            return F.linear(x, self.weight[..., 0, 0], self.bias)
        image = x[None].permute(0, 3, 1, 2)  # [B,T,C_in] as [1,C_in,B,T], nothing is moved
        return F.conv2d(image, self.weight, self.bias)[0].permute(1, 2, 0)  # [B,T,C_out]


def _fixed(weight: Tensor) -> nn.Parameter:
    return nn.Parameter(weight, requires_grad=False)
