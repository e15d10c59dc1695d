"""Frozen copies of finished models: everything constant is computed once.

`freeze_weights` rounds the weights of Q once instead of in every pass. `freeze` also makes passes
fast: matrix products are taken of integer codes, with the factors between codes and values folded
into the weights, and outputs of the last block that are never read are not computed. On a CPU with
oneDNN, the weights of Q and of P are stored in the layout of its kernels: MKL, torch's default,
runs at half the speed on CPUs not made by Intel.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Attention, Block, VisionTransformer
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.quantizers.base import Quantizer, Uniform
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.logarithmic import AdaptiveLog, LogSqrt2, negated_codes
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.quantizers.per_token import PerToken

Encoder = Callable[[Tensor], Tensor]


@torch.no_grad()
def freeze_weights(q: nn.Module) -> nn.Module:
    """A copy of Q whose weights are rounded already and need no gradient.

    Its outputs, attention maps and gradients to the images are those of Q, bit for bit.

    Raises:
        NotCalibratedError: a weight quantizer has no range yet.
    """
    frozen = copy.deepcopy(q).requires_grad_(False)
    for module in frozen.modules():
        if isinstance(module, QuantLinear | QuantConv2d):
            _round_weight(module)
    return frozen


@torch.no_grad()
def freeze(model: nn.Module) -> nn.Module:
    """A copy of P or Q for evaluation only: it is fast, but gives no gradients and no maps.

    Its logits are those of the original, up to float error in the sums of products.

    Raises:
        NotCalibratedError: a weight quantizer has no range yet.
    """
    q = copy.deepcopy(model)
    for name, module in list(q.named_modules()):
        if type(module) in (nn.Linear, QuantLinear):
            q.set_submodule(name, FrozenLinear(module))
        elif isinstance(module, QuantConv2d):
            _round_weight(module)
    for name, module in list(q.named_modules()):
        if getattr(module, "kind", None) is Attention and getattr(module, "gate", None) is None:
            q.set_submodule(name, FrozenAttention(module))
    if isinstance(q, VisionTransformer) and q.global_pool == "token" and q.attn_pool is None:
        last = q.blocks[-1]
        if type(last) is Block and isinstance(last.attn, FrozenAttention):
            last.attn.queries = q.num_prefix_tokens
            q.blocks[-1] = FrozenLastBlock(last, q.num_prefix_tokens)
    return q


def _round_weight(layer: QuantLinear | QuantConv2d) -> None:
    weight = layer.weight_quantizer(layer.weight)
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.weight_quantizer = nn.Identity()  # type: ignore[assignment]


class Codec(NamedTuple):
    """A quantizer split into codes and levels: it rounds x to gain * encode(x) + shift.

    gain: [1] or [C].
    """

    encode: Encoder
    gain: Tensor
    shift: float = 0.0


def codec_of(quantizer: nn.Module) -> Codec:
    """Split a quantizer; any other kind is its own encoder, with gain 1."""
    if type(quantizer) is Uniform:
        scale, zero_point = quantizer.scale, quantizer.zero_point
        return Codec(_uniform_encoder(scale, zero_point, quantizer.form), scale)
    if type(quantizer) is LearnedStep:
        scale, zero_point = quantizer.log_scale.exp(), quantizer.zero_point.round()
        return Codec(_uniform_encoder(scale, zero_point, quantizer.form), scale)
    if type(quantizer) is AdaptiveLog:
        return Codec(_adaptive_log_encoder(quantizer), quantizer.delta, -quantizer.SHIFT)
    if isinstance(quantizer, PerToken):
        one = torch.ones_like(codec_of(quantizer.patches).gain[:1])  # [1]
        return Codec(_per_token_encoder(quantizer), one)
    other = cast(Quantizer, quantizer)
    return Codec(other, torch.ones(1, device=other.ready.device))


def _uniform_encoder(scale: Tensor, zero_point: Tensor, form: IntegerFormat) -> Encoder:
    low, high = form.qmin - zero_point, form.qmax - zero_point  # [G] each
    least: Any = low if len(low) > 1 else float(low)  # clamping by numbers is faster
    most: Any = high if len(high) > 1 else float(high)
    return lambda x: (x / scale).round_().clamp_(least, most)


def _per_token_encoder(quantizer: PerToken) -> Encoder:
    count = quantizer.count
    prefix, patches = codec_of(quantizer.prefix), codec_of(quantizer.patches)

    def encode(x: Tensor) -> Tensor:
        groups = [(prefix, x[:, :count])]  # [B,count,C]
        if x.shape[1] > count:  # the last block has prefix tokens only
            groups.append((patches, x[:, count:]))  # [B,N,C]
        rounded = [one.encode(part).mul_(one.gain).add_(one.shift) for one, part in groups]
        return torch.cat(rounded, 1)  # [B,T,C]

    return encode


def _adaptive_log_encoder(quantizer: AdaptiveLog) -> Encoder:
    step, form = float(quantizer.step), quantizer.form
    start = -quantizer.delta.log2() / step  # [1]
    tiny, shift = torch.finfo(torch.float32).tiny, quantizer.SHIFT

    def encode(x: Tensor) -> Tensor:
        octaves = x.add(shift).clamp_(min=tiny).log2_()
        steps = octaves.mul_(1 / step).add_(start)
        return negated_codes(steps, form).mul_(step).exp2_()

    return encode


class FrozenLinear(nn.Module):
    """A linear layer with a constant weight.

    Made from a `QuantLinear`, it multiplies the codes of its input [...,C_in].
    """

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        weight: Tensor = source.weight  # [C_out,C_in]
        bias: Tensor = weight.new_zeros(len(weight)) if source.bias is None else source.bias
        self._encode: Encoder = _identity
        if isinstance(source, QuantLinear):
            self._encode, gain, shift = codec_of(source.input_quantizer)
            if (factor := source.factor) is not None:
                encode = self._encode
                self._encode = lambda x: encode(x * factor)
            weight = source.weight_quantizer(weight)
            bias, weight = bias + shift * weight.sum(1), weight * gain
        self.weight, self.bias = weight, bias
        self._packed = _pack(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        codes = self._encode(x)
        if self._packed is None:
            return F.linear(codes, self.weight, self.bias)
        out: Tensor = _ONEDNN._linear_pointwise(codes, self._packed, self.bias, "none", [], "")
        return out


def _identity(x: Tensor) -> Tensor:
    return x


# The operator that torch.compile uses for a frozen linear layer; it has no public name. A 1x1
# convolution reaches the same kernels, but is 12 % slower, and not with a single thread.
_ONEDNN: Any = torch.ops.mkldnn


def _pack(weight: Tensor) -> Tensor | None:
    """The weight [C_out,C_in] in the layout of oneDNN's kernels; None where they do not exist."""
    if not torch.backends.mkldnn.is_available() or weight.device.type != "cpu":
        return None
    if not hasattr(_ONEDNN, "_linear_pointwise"):
        return None
    packed: Tensor = _ONEDNN._reorder_linear_weight(weight)
    return packed


class FrozenLastBlock(nn.Module):
    """The last block of a model whose head reads only the first tokens; computes only those."""

    def __init__(self, source: Block, tokens: int) -> None:
        super().__init__()
        self.source, self.tokens = source, tokens

    def forward(self, x: Tensor) -> Tensor:
        block = self.source
        x = x[:, : self.tokens] + block.ls1(block.attn(block.norm1(x)))  # [B,tokens,C]
        out: Tensor = x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
        return out


class FrozenAttention(nn.Module):
    """The quantized attention of a plain ViT on codes, without maps.

    queries: number of tokens, from the first, whose output is computed; None for all.
    """

    queries: int | None = None

    def __init__(self, source: nn.Module) -> None:
        super().__init__()
        self.source, own = source, cast(Any, source)
        codecs = [codec_of(own.operands[name]) for name in ("query", "key", "value")]
        self._query, self._key, self._value = (codec.encode for codec in codecs)
        query, key, value = (float(codec.gain) for codec in codecs)
        self._scale = query * key * own.scale
        self._softmax, gain = _softmax_encoder(own.operands["softmax"])
        self._gain = value * gain

    def forward(self, x: Tensor, attn_mask: None = None, is_causal: bool = False) -> Tensor:
        block: Any = self.source
        split = block.qkv(x).unflatten(2, (3, block.num_heads, block.head_dim))  # [B,T,3,H,d]
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # [B,H,T,d] each
        query = self._query(block.q_norm(query[:, :, : self.queries])).mul_(self._scale)
        logits = query @ self._key(block.k_norm(key)).transpose(-2, -1)  # [B,H,Q,T]
        heads = (self._softmax(logits) @ self._value(value)).mul_(self._gain)  # [B,H,Q,d]
        joined = heads.transpose(1, 2).flatten(2)  # [B,Q,H*d]
        out: Tensor = block.proj(block.norm(joined))  # [B,Q,C]
        return out


def _softmax_encoder(quantizer: Quantizer) -> tuple[Encoder, float]:
    """An encoder of the softmax that takes logits, and its gain."""
    if not isinstance(quantizer, LogSqrt2):
        encode, gain, _ = codec_of(quantizer)
        return lambda logits: encode(logits.softmax(-1)), float(gain)
    octaves, form = quantizer.octaves, quantizer.form
    start = -quantizer.delta.log2() / octaves  # [1]

    def encode_log(logits: Tensor) -> Tensor:
        steps = logits.log_softmax(-1).mul_(1 / octaves / math.log(2)).add_(start)
        return negated_codes(steps, form).mul_(octaves).exp2_()

    return encode_log, float(quantizer.delta)
