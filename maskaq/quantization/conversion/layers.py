"""Quantized counterparts of the modules of a backbone that compute matrix products.

Each shares the weights of the module it was made from and quantizes both operands of its products.
LayerNorm, softmax, GELU, biases and residual sums stay in float.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.models.attention import QuantizedAttention, in_layer
from maskaq.quantization.quantizers.base import PerRow, Quantizer

# The operands of the two products inside attention, as `observe` names them.
ATTENTION_OPERANDS = ("query", "key", "value", "softmax")


class QuantLinear(nn.Linear):
    """Linear layer with a quantized weight [C_out,C_in] and input [...,C_in].

    role: of the input, as in `structure.Layer`. folded: whether per-channel ranges of the input are
    folded into the LayerNorm before it (`folding`). input_factor: [C_in], multiplies the input
    before it is quantized, and divides the weight (`channel_factors`); None without.
    """

    folded = False
    input_factor: Tensor | None

    def __init__(
        self, source: nn.Linear, weight: PerRow, inputs: nn.Module, role: str = "other"
    ) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = source.in_features, source.out_features
        self.weight, self.bias, self.role = source.weight, source.bias, role
        self.weight_quantizer, self.input_quantizer = weight, inputs
        self.register_buffer("input_factor", None)

    @property
    def factor(self) -> Tensor | None:
        """The `input_factor`; None also where it is 1 for all channels."""
        factor = self.input_factor
        return None if factor is None or bool((factor == 1).all()) else factor

    def forward(self, input: Tensor) -> Tensor:
        with in_layer():
            if self.input_factor is not None:
                input = input * self.input_factor
            weight = self.weight_quantizer(self.weight)
            return F.linear(self.input_quantizer(input), weight, self.bias)


class QuantConv2d(nn.Module):
    """Convolution with a quantized weight [C_out,C_in/groups,h,w] and input [B,C_in,H,W].

    role: of the input, as in `structure.Layer`.
    """

    def __init__(self, source: nn.Conv2d, weight: PerRow, inputs: Quantizer, role: str) -> None:
        super().__init__()
        self.in_channels, self.out_channels = source.in_channels, source.out_channels
        self.kernel_size, self.stride = source.kernel_size, source.stride  # which a model may read
        self.padding, self.dilation, self.groups = source.padding, source.dilation, source.groups
        self.weight, self.bias, self.role = source.weight, source.bias, role
        self.weight_quantizer, self.input_quantizer = weight, inputs

    def forward(self, x: Tensor) -> Tensor:
        with in_layer():
            weight, x = self.weight_quantizer(self.weight), self.input_quantizer(x)
            return F.conv2d(
                x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups
            )


def quantize_attention(module: nn.Module, make: Callable[[str], Quantizer]) -> None:
    """Quantize q, k, v [B,H,T,d] and the softmax output [B,H,T,T] of an attention module, in place.

    The module keeps its own forward pass, children and attributes.
    """
    own: Any = module
    own.operands = nn.ModuleDict({name: make(name) for name in ATTENTION_OPERANDS})
    own.__class__ = _quantized(type(own))  # type: ignore[arg-type]


@cache
def _quantized(kind: Any) -> Any:
    return type(f"Quantized{kind.__name__}", (QuantizedAttention, kind), {"kind": kind})
