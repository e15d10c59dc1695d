"""Convert P to Q: a copy of the model that quantizes both operands of every matrix product."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from maskaq.config import QuantOptions
from maskaq.errors import ModelError
from maskaq.models.attention import attention_modules
from maskaq.quantization.conversion.bias_correction import add_corrections
from maskaq.quantization.conversion.head_rotation import rotate_heads
from maskaq.quantization.conversion.layernorm_folding import foldable_norm
from maskaq.quantization.conversion.layers import QuantAttention, QuantConv2d, QuantLinear
from maskaq.quantization.quantizers import logarithmic as _logarithmic  # noqa: F401  registers
from maskaq.quantization.quantizers import lsq as _lsq  # noqa: F401  registers
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow, Quantizer
from maskaq.quantization.quantizers.per_token import PerToken

# Role of a layer's input, by the last parts of the layer's name in a timm Vision Transformer.
ROLES = {
    "patch_embed.proj": "image",
    "attn.qkv": "layernorm",
    "attn.proj": "attention",
    "mlp.fc1": "layernorm",
    "mlp.fc2": "gelu",
    "head": "head",
    "head_dist": "head",
}
# Neighbouring levels of log-sqrt2 differ by a factor of sqrt(2) at any bit width. With more bits
# than this, a uniform grid is finer where softmax outputs are large.
_MOST_LOG_BITS = 5
_PER_TOKEN = ("layernorm", "attention", "gelu")  # roles of inputs with all tokens, [B,T,C]
IMAGE_BITS = 8  # pixels have 8 bits, so this loses nothing


@dataclass(frozen=True)
class Scheme:
    """Which quantizer each operand gets, and which search sets its range.

    Attributes:
        weights, search: names in `SEARCHES`, for weights and for activations.
        activations: name in `QUANTIZERS`, for all activations except softmax and GELU outputs.
        softmax: name in `QUANTIZERS`, for softmax outputs at up to 5 bits; above, `activations`.
        gelu: name in `QUANTIZERS`, for GELU outputs.
        layernorm: ranges of LayerNorm outputs: one per `"tensor"`, one per `"channel"`, or
            `"folded"`: ranges per channel are folded into the LayerNorm, which leaves one per
            tensor.
        per_token: whether layer inputs have separate ranges for prefix tokens (`PerToken`).
        rotate_heads: whether the channels of each head are rotated first (`head_rotation`); Q's
            head outputs then differ from P's by that rotation.
        correction: what is added after each block (`Correction`): `""`, `"token"` or `"channel"`.
    """

    weights: str = "mse"
    search: str = "mse"
    activations: str = "uniform"
    softmax: str = "log-sqrt2"
    gelu: str = "uniform"
    layernorm: str = "channel"
    per_token: bool = False
    rotate_heads: bool = False
    correction: str = ""

    def with_options(self, options: QuantOptions) -> Scheme:
        """The scheme with the user's explicit options in place of its own."""
        softmax, layernorm = options.softmax, options.layernorm
        if softmax == "auto":
            logarithmic = options.activation_bits <= _MOST_LOG_BITS
            softmax = self.softmax if logarithmic else self.activations
        elif softmax == "uniform":
            softmax = self.activations
        layernorm = self.layernorm if layernorm == "auto" else layernorm
        gelu = self.gelu if options.gelu == "auto" else options.gelu
        if gelu == "uniform":
            gelu = self.activations
        return replace(self, softmax=softmax, gelu=gelu, layernorm=layernorm)


@dataclass(frozen=True)
class _Factory:
    options: QuantOptions
    scheme: Scheme
    prefix: int  # prefix tokens

    def weight(self, layer: nn.Linear | nn.Conv2d, role: str) -> PerRow:
        bits = self._bits(role, self.options.weight_bits)
        return PerRow(bits, layer.weight.shape[0], self.scheme.weights)

    def activation(self, role: str, channels: int = 1) -> Quantizer:
        kind, groups = self.scheme.activations, 1
        if role == "softmax":
            kind = self.scheme.softmax
        if role == "gelu":
            kind = self.scheme.gelu
        if role == "layernorm" and self.scheme.layernorm != "tensor":
            groups = channels
        if role == "image":
            return QUANTIZERS["uniform"](IMAGE_BITS, 1, "minmax")
        bits = self._bits(role, self.options.activation_bits)
        return QUANTIZERS[kind](bits, groups, self.scheme.search)

    def inputs(self, role: str, channels: int, folded: bool) -> nn.Module:
        """The input quantizer of a linear layer."""
        make = partial(self.activation, role, 1 if folded else channels)
        if self.scheme.per_token and self.prefix and role in _PER_TOKEN and not folded:
            return PerToken(self.prefix, make)
        return make()

    def _bits(self, role: str, target: int) -> int:
        return 8 if role in ("image", "head") and self.options.first_last == "8" else target


def convert(model: nn.Module, options: QuantOptions, scheme: Scheme) -> nn.Module:
    """A quantized copy Q of P, not calibrated yet. P is not changed.

    Raises:
        ModelError: the model has no supported attention, a convolution that is not supported, or
            blocks whose output cannot be corrected.
    """
    attention_modules(model)  # raises for models that are not supported
    q = copy.deepcopy(model)
    if scheme.rotate_heads:
        rotate_heads(q)
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    factory = _Factory(options, scheme.with_options(options), prefix)
    for name, module in list(q.named_modules()):
        role = role_of(name)
        if role is not None and isinstance(module, nn.Linear | nn.Conv2d):
            folded = factory.scheme.layernorm == "folded" and foldable_norm(q, name) is not None
            q.set_submodule(name, _quantized_layer(module, role, factory, folded))
    for attention in attention_modules(q):
        name = next(name for name, module in q.named_modules() if module is attention)
        q.set_submodule(name, QuantAttention(attention, factory.activation))
    if scheme.correction:
        add_corrections(q, scheme.correction)
    return q.eval()


def role_of(name: str) -> str | None:
    """Role of a layer's input, by the layer's dotted name; None if it is not quantized.

    >>> role_of("blocks.3.attn.qkv")
    'layernorm'
    """
    matches = (role for tail, role in ROLES.items() if f".{name}".endswith(f".{tail}"))
    return next(matches, None)


def _quantized_layer(
    module: nn.Linear | nn.Conv2d, role: str, factory: _Factory, folded: bool = False
) -> nn.Module:
    weight = factory.weight(module, role)
    if isinstance(module, nn.Linear):
        layer = QuantLinear(module, weight, factory.inputs(role, module.in_features, folded))
        layer.folded = folded
        if folded and layer.bias is None:  # `fold` moves a shift into the bias
            layer.bias = nn.Parameter(module.weight.new_zeros(module.out_features))
        return layer
    if module.groups != 1 or module.dilation != (1, 1) or module.padding_mode != "zeros":
        raise ModelError(
            "the patch embedding is a convolution with groups, dilation or padding that is not "
            "zeros; supported: plain convolutions, as in timm's vit_* and deit_* models."
        )
    return QuantConv2d(module, weight, factory.activation(role))
