"""From P to Q: a copy of the model with a quantizer at both operands of every matrix product."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from maskaq.config import QuantOptions
from maskaq.errors import ModelError
from maskaq.models.attention import attention_modules
from maskaq.quantization.conversion.bias_correction import put_corrections
from maskaq.quantization.conversion.head_rotation import rotate_heads
from maskaq.quantization.conversion.layernorm_folding import feeder
from maskaq.quantization.conversion.layers import QuantAttention, QuantConv2d, QuantLinear
from maskaq.quantization.quantizers import log_base as _log_base  # noqa: F401  registers its quantizer
from maskaq.quantization.quantizers import lsq as _lsq  # noqa: F401  registers its quantizer
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow, Quantizer
from maskaq.quantization.quantizers.per_token import ByToken

# What flows into a layer, by the last parts of its name in a timm Vision Transformer.
ROLES = {
    "patch_embed.proj": "image",
    "attn.qkv": "layernorm",
    "attn.proj": "attention",
    "mlp.fc1": "layernorm",
    "mlp.fc2": "gelu",
    "head": "head",
    "head_dist": "head",
}
# Neighbouring levels of log-sqrt2 stay a factor sqrt(2) apart however many bits there are; with
# more bits than these a uniform grid is finer where the softmax outputs are large.
_MOST_LOG_BITS = 5
_BY_TOKEN = ("layernorm", "attention", "gelu")  # roles of inputs with all tokens, [B,T,C]
IMAGE_BITS = 8  # photographs have 8 bits: quantizing them to as many loses nothing


@dataclass(frozen=True)
class Scheme:
    """Which quantizer each operand gets, and the search that sets the ranges.

    weights, search: names in `SEARCHES` for weights and activations. activations: name in
    `QUANTIZERS` for all activations but the softmax and GELU outputs. softmax: the same for those,
    up to 5 bits. gelu: likewise, at any bits. layernorm: `"tensor"`, `"channel"`, or `"folded"`:
    the ranges of the channels go into the LayerNorm and leave one per tensor. apart: whether inputs
    of layers have ranges of their own for prefix tokens (`ByToken`). rotated: whether the channels
    of each head are turned first (`rotation`), so that Q's head outputs are not P's channel by
    channel. correction: what is added after each block, `""`, `"token"` or `"channel"`
    (`Correction`).
    """

    weights: str = "mse"
    search: str = "mse"
    activations: str = "uniform"
    softmax: str = "log-sqrt2"
    gelu: str = "uniform"
    layernorm: str = "channel"
    apart: bool = False
    rotated: bool = False
    correction: str = ""

    def with_options(self, options: QuantOptions) -> Scheme:
        """The scheme with the user's explicit choices in place of its own."""
        softmax, layernorm = options.softmax, options.layernorm
        if softmax == "auto":
            few = options.activation_bits <= _MOST_LOG_BITS
            softmax = self.softmax if few else self.activations
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
    prefix: int  # tokens before the patches

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
        """The quantizer of what flows into a linear layer."""
        make = partial(self.activation, role, 1 if folded else channels)
        if self.scheme.apart and self.prefix and role in _BY_TOKEN and not folded:
            return ByToken(self.prefix, make)
        return make()

    def _bits(self, role: str, target: int) -> int:
        return 8 if role in ("image", "head") and self.options.first_last == "8" else target


def convert(model: nn.Module, options: QuantOptions, scheme: Scheme) -> nn.Module:
    """A quantized copy Q of P, not yet calibrated. P is left as it was.

    Raises:
        ModelError: the model has no supported attention, or blocks that cannot be corrected.
    """
    attention_modules(model)  # refuses what we cannot quantize, naming what we can
    q = copy.deepcopy(model)
    if scheme.rotated:
        rotate_heads(q)
    prefix = int(getattr(model, "num_prefix_tokens", 0))
    factory = _Factory(options, scheme.with_options(options), prefix)
    for name, module in list(q.named_modules()):
        role = role_of(name)
        if role is not None and isinstance(module, nn.Linear | nn.Conv2d):
            folded = factory.scheme.layernorm == "folded" and feeder(q, name) is not None
            _replace(q, name, _layer(module, role, factory, folded))
    for block in attention_modules(q):
        name = next(name for name, module in q.named_modules() if module is block)
        _replace(q, name, QuantAttention(block, factory.activation))
    if scheme.correction:
        put_corrections(q, scheme.correction)
    return q.eval()


def role_of(name: str) -> str | None:
    """Role of a layer's input by the layer's dotted name; None where it is not quantized.

    >>> role_of("blocks.3.attn.qkv")
    'layernorm'
    """
    matches = (role for tail, role in ROLES.items() if f".{name}".endswith(f".{tail}"))
    return next(matches, None)


def _layer(
    module: nn.Linear | nn.Conv2d, role: str, factory: _Factory, folded: bool = False
) -> nn.Module:
    weight = factory.weight(module, role)
    if isinstance(module, nn.Linear):
        made = QuantLinear(module, weight, factory.inputs(role, module.in_features, folded))
        made.folded = folded
        if folded and made.bias is None:  # takes up what the LayerNorm's shift leaves
            made.bias = nn.Parameter(module.weight.new_zeros(module.out_features))
        return made
    if module.groups != 1 or module.dilation != (1, 1) or module.padding_mode != "zeros":
        raise ModelError(
            "the patch embedding is a grouped or dilated convolution; supported: plain ones, as "
            "in timm's vit_* and deit_* models."
        )
    return QuantConv2d(module, weight, factory.activation(role))


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)
