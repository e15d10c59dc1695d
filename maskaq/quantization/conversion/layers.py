"""Quantized counterparts of the layers of a ViT that compute matrix products.

Each shares the weights of the layer it was made from and quantizes both operands of its product.
LayerNorm, softmax, GELU, biases and residual sums stay in float.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.models.attention import attention
from maskaq.quantization.quantizers.base import PerRow, Quantizer

# The operands of the two products inside attention, as `attention` names them.
ATTENTION_OPERANDS = ("query", "key", "value", "softmax")


class QuantLinear(nn.Linear):
    """Linear layer with a quantized weight [C_out,C_in] and input [...,C_in].

    folded: whether per-channel ranges of the input are folded into the LayerNorm before it
    (`folding`).
    """

    folded = False

    def __init__(self, source: nn.Linear, weight: PerRow, inputs: nn.Module) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = source.in_features, source.out_features
        self.weight, self.bias = source.weight, source.bias
        self.weight_quantizer, self.input_quantizer = weight, inputs

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(self.input_quantizer(input), self.weight_quantizer(self.weight), self.bias)


class QuantConv2d(nn.Module):
    """The convolution of a patch embedding with a quantized weight and image [B,3,S,S]."""

    def __init__(self, source: nn.Conv2d, weight: PerRow, inputs: Quantizer) -> None:
        super().__init__()
        self.weight, self.bias = source.weight, source.bias
        self.stride, self.padding = source.stride, source.padding
        self.weight_quantizer, self.input_quantizer = weight, inputs

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(
            self.input_quantizer(x),
            self.weight_quantizer(self.weight),
            self.bias,
            self.stride,
            self.padding,
        )


class QuantAttention(nn.Module):
    """Attention with quantized q, k, v [B,H,T,d] and softmax output [B,H,T,T].

    It has the attributes of timm's `Attention`, so that `record` works on both.
    """

    def __init__(self, source: nn.Module, make: Callable[[str], Quantizer]) -> None:
        super().__init__()
        self.num_heads: int = source.num_heads  # type: ignore[assignment]
        self.head_dim: int = source.head_dim  # type: ignore[assignment]
        self.scale: float = source.scale  # type: ignore[assignment]
        for name, child in source.named_children():
            self.add_module(name, child)
        self.operands = nn.ModuleDict({name: make(name) for name in ATTENTION_OPERANDS})

    def forward(
        self, x: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False
    ) -> Tensor:
        return attention(self, x, dict(self.operands.items()), attn_mask, is_causal)[0]
