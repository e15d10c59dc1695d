"""A finished model made fast for many images: what no longer changes is computed once.

Weights of Q are rounded once instead of in every pass, and the factors between codes and values
move into them: products are taken of codes. What nobody reads of the last block is left out. On a
processor with oneDNN the weights, those of P too, are laid out the way its kernels read them, since
MKL, which torch takes otherwise, uses half of what a processor of another make than Intel's can do.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantAttention, QuantConv2d, QuantLinear
from maskaq.quantization.quantizers.base import AdaptiveLog, LogSqrt2, Quantizer, Uniform, drop_last
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.lsq import LearnedStep
from maskaq.quantization.quantizers.per_token import ByToken

Code = Callable[[Tensor], Tensor]


@torch.no_grad()
def freeze(model: nn.Module) -> nn.Module:
    """A copy of P or Q that can be evaluated without gradients, and nothing else.

    Answers are those of the original, up to the last digits of a sum of products.

    Raises:
        NotCalibratedError: a quantizer of a weight has no range yet.
    """
    q = copy.deepcopy(model)
    for name, module in list(q.named_modules()):
        if type(module) in (nn.Linear, QuantLinear):
            _replace(q, name, FrozenLinear(module))
        elif isinstance(module, QuantConv2d):
            weight = module.weight_quantizer(module.weight)
            module.weight = nn.Parameter(weight, requires_grad=False)
            module.weight_quantizer = nn.Identity()  # type: ignore[assignment]
    for name, module in list(q.named_modules()):
        if isinstance(module, QuantAttention):
            _replace(q, name, FrozenAttention(module))
    if isinstance(q, VisionTransformer) and q.global_pool == "token" and q.attn_pool is None:
        last = q.blocks[-1]
        if type(last) is Block and isinstance(last.attn, FrozenAttention):
            last.attn.asking = q.num_prefix_tokens
            q.blocks[-1] = FrozenLastBlock(last, q.num_prefix_tokens)
    return q


def _replace(q: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(q.get_submodule(parent), child, module)


class Coded(NamedTuple):
    """A quantizer in parts: it rounds x to gain * code(x) + shift. gain: [1] or [C]."""

    code: Code
    gain: Tensor
    shift: float = 0.0


def coded(quantizer: nn.Module) -> Coded:
    """The parts of a quantizer; one of unknown kind stays whole, with a gain of 1."""
    if type(quantizer) is Uniform:
        return Coded(_even(quantizer.scale, quantizer.zero_point, quantizer.form), quantizer.scale)
    if type(quantizer) is LearnedStep:
        scale = quantizer.log_scale.exp()
        return Coded(_even(scale, quantizer.zero_point.round(), quantizer.form), scale)
    if type(quantizer) is AdaptiveLog:
        return Coded(_adaptive_log(quantizer), quantizer.delta, -quantizer.SHIFT)
    if isinstance(quantizer, ByToken):
        return Coded(_by_token(quantizer), torch.ones_like(coded(quantizer.patches).gain[:1]))
    whole = cast(Quantizer, quantizer)
    return Coded(whole, torch.ones(1, device=whole.ready.device))


def _even(scale: Tensor, zero_point: Tensor, form: IntegerFormat) -> Code:
    low, high = form.qmin - zero_point, form.qmax - zero_point  # [G] each
    least: Any = low if len(low) > 1 else float(low)  # clamping by numbers is faster
    most: Any = high if len(high) > 1 else float(high)
    return lambda x: (x / scale).round_().clamp_(least, most)


def _by_token(quantizer: ByToken) -> Code:
    count, prefix, patches = quantizer.count, coded(quantizer.prefix), coded(quantizer.patches)

    def code(x: Tensor) -> Tensor:
        groups = [(prefix, x[:, :count])]
        if x.shape[1] > count:  # not where only the prefix goes on
            groups.append((patches, x[:, count:]))
        rounded = [part.code(some).mul_(part.gain).add_(part.shift) for part, some in groups]
        return torch.cat(rounded, 1)  # [B,T,C]

    return code


def _adaptive_log(quantizer: AdaptiveLog) -> Code:
    step, form = float(quantizer.step), quantizer.form
    start = -quantizer.delta.log2() / step  # [1]
    tiny, shift = torch.finfo(torch.float32).tiny, quantizer.SHIFT

    def code(x: Tensor) -> Tensor:
        octaves = x.add(shift).clamp_(min=tiny).log2_()
        steps = octaves.mul_(1 / step).add_(start)
        return drop_last(steps, form).mul_(step).exp2_()

    return code


class FrozenLinear(nn.Module):
    """A linear layer with a fixed weight, applied to the codes of its input [...,C_in] if it has
    any."""

    def __init__(self, source: nn.Linear) -> None:
        super().__init__()
        weight: Tensor = source.weight  # [C_out,C_in]
        bias: Tensor = weight.new_zeros(len(weight)) if source.bias is None else source.bias
        self._code: Code = _same
        if isinstance(source, QuantLinear):
            self._code, gain, shift = coded(source.input_quantizer)
            weight = source.weight_quantizer(weight)
            bias, weight = bias + shift * weight.sum(1), weight * gain
        self.weight, self.bias = weight, bias
        self._packed = _pack(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        codes = self._code(x)
        if self._packed is None:
            return F.linear(codes, self.weight, self.bias)
        out: Tensor = _ONEDNN._linear_pointwise(codes, self._packed, self.bias, "none", [], "")
        return out


def _same(x: Tensor) -> Tensor:
    return x


# What torch.compile makes of a frozen linear layer; it has no public name. A convolution of 1x1
# reaches the same kernels by a public name, but 12 % later, and not at all with one thread.
_ONEDNN: Any = torch.ops.mkldnn


def _pack(weight: Tensor) -> Tensor | None:
    """The weight [C_out,C_in] as oneDNN's kernels want it; None where that is not to be had."""
    if not torch.backends.mkldnn.is_available() or weight.device.type != "cpu":
        return None
    if not hasattr(_ONEDNN, "_linear_pointwise"):
        return None
    packed: Tensor = _ONEDNN._reorder_linear_weight(weight)
    return packed


class FrozenLastBlock(nn.Module):
    """The last block of a model that reads no more than the first tokens of it."""

    def __init__(self, source: Block, tokens: int) -> None:
        super().__init__()
        self.source, self.tokens = source, tokens

    def forward(self, x: Tensor) -> Tensor:
        block = self.source
        x = x[:, : self.tokens] + block.ls1(block.attn(block.norm1(x)))  # [B,tokens,C]
        out: Tensor = x + block.drop_path2(block.ls2(block.mlp(block.norm2(x))))
        return out


class FrozenAttention(nn.Module):
    """A `QuantAttention` on codes; it shows no maps. asking: only so many tokens look at others."""

    asking: int | None = None

    def __init__(self, source: QuantAttention) -> None:
        super().__init__()
        self.source = source
        parts = {name: coded(source.operands[name]) for name in ("query", "key", "value")}
        self._query, self._key, self._value = (part.code for part in parts.values())
        query, key, value = (float(part.gain) for part in parts.values())
        self._scale = query * key * source.scale
        softmax = source.operands["softmax"]
        self._softmax, gain = _of_logits(softmax)  # type: ignore[arg-type]
        self._gain = value * gain

    def forward(self, x: Tensor, attn_mask: None = None, is_causal: bool = False) -> Tensor:
        block: Any = self.source
        split = block.qkv(x).unflatten(2, (3, block.num_heads, block.head_dim))  # [B,T,3,H,d]
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # [B,H,T,d] each
        query = self._query(block.q_norm(query[:, :, : self.asking])).mul_(self._scale)
        logits = query @ self._key(block.k_norm(key)).transpose(-2, -1)  # [B,H,asking,T]
        heads = (self._softmax(logits) @ self._value(value)).mul_(self._gain)  # [B,H,asking,d]
        joined = heads.transpose(1, 2).flatten(2)  # [B,asking,H*d]
        out: Tensor = block.proj(block.norm(joined))  # [B,asking,C]
        return out


def _of_logits(quantizer: Quantizer) -> tuple[Code, float]:
    """Codes of the softmax of logits, and what one code is worth."""
    if not isinstance(quantizer, LogSqrt2):
        code, gain, _ = coded(quantizer)
        return lambda logits: code(logits.softmax(-1)), float(gain)
    octaves, form = quantizer.octaves, quantizer.form
    start = -quantizer.delta.log2() / octaves  # [1]

    def log_code(logits: Tensor) -> Tensor:
        steps = logits.log_softmax(-1).mul_(1 / octaves / math.log(2)).add_(start)
        return drop_last(steps, form).mul_(octaves).exp2_()

    return log_code, float(quantizer.delta)
