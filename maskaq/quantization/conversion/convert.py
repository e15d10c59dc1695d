"""Convert P to Q: a copy of the model that quantizes both operands of every matrix product."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.errors import ModelError
from maskaq.models.backbone import fuse_biases, prefix_of
from maskaq.models.structure import Layer, structure_of
from maskaq.quantization.conversion.bias_correction import add_corrections
from maskaq.quantization.conversion.head_rotation import rotate_heads
from maskaq.quantization.conversion.layernorm_folding import foldable_norm
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear, quantize_attention
from maskaq.quantization.quantizers import logarithmic as _logarithmic  # noqa: F401  registers
from maskaq.quantization.quantizers import lsq as _lsq  # noqa: F401  registers
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow, Quantizer
from maskaq.quantization.quantizers.per_token import PerToken

# Neighbouring levels of log-sqrt2 differ by a factor of sqrt(2) at any bit width. With more bits
# than this, a uniform grid is finer where softmax outputs are large.
_MOST_LOG_BITS = 5
_PER_TOKEN = ("layernorm", "attention", "gelu", "other")  # roles of inputs with all tokens, [B,T,C]
_LEVEL = ("image", "attention")  # roles of inputs whose channels are alike; heads are rotated
FIRST_LAST = ("image", "head")  # roles of the inputs of the patch embedding and of the head
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
        channel_factors: whether the channels of layer inputs that nothing else levels are scaled
            where that helps (`channel_factors`).
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
    channel_factors: bool = False

    def with_options(self, options: QuantOptions) -> Scheme:
        """The scheme with the user's explicit options in place of its own."""
        if options.scheme == "integer":
            return replace(
                self,
                softmax=self.activations,
                gelu=self.activations,
                layernorm="folded" if options.layernorm == "auto" else options.layernorm,
                per_token=False,
                rotate_heads=True,
                channel_factors=True,
            )
        softmax, layernorm = options.softmax, options.layernorm
        if options.scheme == "foldable" and layernorm == "auto":
            layernorm = "folded"
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
    layer_bits: Mapping[str, int]

    def weight(self, name: str, layer: nn.Linear | nn.Conv2d, role: str) -> PerRow:
        bits = self.layer_bits.get(name) or self._bits(role, self.options.weight_bits)
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

    def inputs(self, role: str, channels: int, folded: bool, tokens: bool) -> nn.Module:
        """The input quantizer of a linear layer. tokens: whether the input has prefix tokens."""
        single = folded or self.options.scheme != "auto"
        make = partial(self.activation, role, 1 if single else channels)
        has_prefix = tokens and self.prefix > 0 and role in _PER_TOKEN
        if self.scheme.per_token and has_prefix:
            return PerToken(self.prefix, make)
        return make()

    def _bits(self, role: str, target: int) -> int:
        return 8 if role in FIRST_LAST and self.options.first_last == "8" else target


def convert(
    model: nn.Module,
    options: QuantOptions,
    scheme: Scheme,
    layer_bits: Mapping[str, int] = MappingProxyType({}),
) -> nn.Module:
    """A quantized copy Q of P, not calibrated yet. P is not changed.

    Every layer and attention product is quantized, except for those that `census` names.

    Args:
        layer_bits: of the weights of layers, by name, that differ from those of the options.

    Raises:
        ModelError: the model has no attention that can be quantized, or blocks whose output cannot
            be corrected.
    """
    structure_of(model)  # kept with P, so that it is run once
    q = fuse_biases(copy.deepcopy(model))
    structure = structure_of(q)
    if not structure.attention:
        raise ModelError(
            f"{type(model).__name__} computes no attention that can be quantized: it calls neither "
            "scaled_dot_product_attention nor two matrix products with a softmax between them."
        )
    scheme = scheme.with_options(options)
    if scheme.rotate_heads:
        rotate_heads(q)
    if scheme.correction:
        add_corrections(q, scheme.correction)
    factory = _Factory(options, scheme, prefix_of(model), layer_bits)
    for name, layer in structure.layers.items():
        module = q.get_submodule(name)
        if float_reason(module, layer) is None:
            tokens = any(name.startswith(f"{unit}.") for unit in structure.units)
            q.set_submodule(name, _quantized_layer(q, name, layer.role, factory, tokens))
    for name in structure.attention:
        quantize_attention(q.get_submodule(name), factory.activation)
    return q.eval()


def float_reason(module: nn.Module, layer: Layer) -> str | None:
    """Why a layer of P stays in float; None if it is quantized."""
    if layer.role == "constant":
        return "its input does not depend on the image: it is computed once"
    if not layer.called:
        return "the model uses its weight without calling the layer"
    if type(module).forward not in (nn.Linear.forward, nn.Conv2d.forward):
        return f"{type(module).__name__} computes something else than a plain layer"
    if isinstance(module, nn.Conv2d) and module.padding_mode != "zeros":
        return f"its padding is {module.padding_mode!r}; supported: zeros"
    return None


def _quantized_layer(
    q: nn.Module, name: str, role: str, factory: _Factory, tokens: bool
) -> nn.Module:
    """The quantized counterpart of a layer of Q. tokens: whether its input has prefix tokens."""
    module = q.get_submodule(name)
    assert isinstance(module, nn.Linear | nn.Conv2d)
    weight = factory.weight(name, module, role)
    if isinstance(module, nn.Conv2d):
        return QuantConv2d(module, weight, factory.activation(role), role)
    folded = factory.scheme.layernorm == "folded" and foldable_norm(q, name) is not None
    inputs = factory.inputs(role, module.in_features, folded, tokens)
    layer = QuantLinear(module, weight, inputs, role)
    layer.folded = folded
    if folded and layer.bias is None:  # `fold` moves a shift into the bias
        layer.bias = nn.Parameter(module.weight.new_zeros(module.out_features))
    if factory.scheme.channel_factors and not folded and role not in _LEVEL:
        layer.input_factor = torch.ones_like(module.weight[0])  # [C_in]
    return layer
