"""What the attention of a timm Vision Transformer computes, made visible.

One head reads T tokens as queries, keys and values of d channels and returns

    heads = softmax(q k^T / sqrt(d)) v        (Vaswani et al. 2017, Eq. 1)

timm runs this in one fused kernel that never shows the matrix in the middle. `attention` is the
same forward pass step by step, with a place to put a quantizer on each of the four operands of its
two products. `record` puts it into a model for as long as one wants to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

from timm.models.vision_transformer import Attention
from torch import Tensor, nn

from maskaq.errors import ModelError

__all__ = ["SUPPORTED", "Maps", "attention", "attention_modules", "maps_of", "record"]

SUPPORTED = "ViT, DeiT and distilled DeiT of timm: VisionTransformer with timm's plain Attention"

Operands = Mapping[str, Callable[[Tensor], Tensor]]
_NONE: Operands = MappingProxyType({})


class Maps(NamedTuple):
    """What one block's attention computed, T tokens counting prefix tokens first.

    logits: [B,H,T,T], queries in rows, already divided by sqrt(d). probs: [B,H,T,T], their softmax,
    rows sum to 1, before dropout and before any quantizer. heads: [B,H,T,d], probabilities times
    values, before the output projection.
    """

    logits: Tensor
    probs: Tensor
    heads: Tensor


def attention(
    module: nn.Module,
    x: Tensor,
    operands: Operands = _NONE,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
) -> tuple[Tensor, Maps]:
    """The forward pass of a timm `Attention`, step by step.

    Args:
        module: a timm `Attention`, or anything with its attributes. `qkv` and `proj` are called as
            modules, so they may be quantized ones.
        x: [B,T,C].
        operands: what to apply to the operands of the two matrix products, by name: `"query"`,
            `"key"`, `"value"` on [B,H,T,d] and `"softmax"` on the probabilities [B,H,T,T].
        attn_mask, is_causal: timm's blocks pass them along; only None and False are supported.

    Returns:
        the module's output [B,T,C], and its maps.

    Raises:
        ModelError: a mask was given, or the module gates its output.
    """
    if attn_mask is not None or is_causal:
        raise ModelError("attention masks are not supported; call the model on images alone.")
    if getattr(module, "gate", None) is not None:
        raise ModelError(f"gated attention is not supported; supported: {SUPPORTED}.")
    block: Any = module
    tokens = x.shape[:2]
    split = block.qkv(x).unflatten(2, (3, block.num_heads, block.head_dim))  # [B,T,3,H,d]
    query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # [B,H,T,d] each
    query = _apply(operands, "query", block.q_norm(query))
    key = _apply(operands, "key", block.k_norm(key))
    value = _apply(operands, "value", value)
    logits = (query * block.scale) @ key.transpose(-2, -1)  # [B,H,T,T]
    probs = logits.softmax(-1)
    heads = block.attn_drop(_apply(operands, "softmax", probs)) @ value  # [B,H,T,d]
    joined = heads.transpose(1, 2).reshape(*tokens, -1)  # [B,T,H*d]
    out = block.proj_drop(block.proj(block.norm(joined)))  # [B,T,C]
    return out, Maps(logits, probs, heads)


def _apply(operands: Operands, name: str, x: Tensor) -> Tensor:
    return operands[name](x) if name in operands else x


def attention_modules(model: nn.Module) -> list[nn.Module]:
    """The attention of each block, first block first.

    A module counts if it is timm's `Attention`, or has its attributes and `operands`, as the
    quantized one does.

    Raises:
        ModelError: there is none, or one that gates its output.
    """
    found = [m for m in model.modules() if isinstance(m, Attention) or hasattr(m, "operands")]
    if not found or any(getattr(m, "gate", None) is not None for m in found):
        raise ModelError(
            f"{type(model).__name__} has no attention that can be recorded and quantized; "
            f"supported: {SUPPORTED}."
        )
    return found


@contextmanager
def record(model: nn.Module) -> Iterator[list[Maps]]:
    """Record the attention of every forward pass while the context is open.

    The list holds one `Maps` per block, of the latest pass; autograd goes through them. Outside
    the context the model is exactly what it was, fused attention included.

    Raises:
        ModelError: no supported attention, this model is being recorded already, or (in the
            forward pass) an attention mask was given.

    >>> import timm, torch
    >>> model = timm.create_model("vit_tiny_patch16_224", depth=2).eval()
    >>> with record(model) as maps:
    ...     _ = model(torch.zeros(1, 3, 224, 224))
    >>> len(maps), tuple(maps[0].probs.shape), tuple(maps[0].heads.shape)
    (2, (1, 3, 197, 197), (1, 3, 197, 64))
    """
    with _recording(model, None) as maps:
        yield maps


def maps_of(model: nn.Module, images: Tensor, blocks: int | None = None) -> list[Maps]:
    """The maps of the first blocks, of all by default, for images [B,3,S,S].

    The pass ends with the last of them: what would come after it is not computed.

    Raises:
        ModelError: as `record`.
    """
    count = len(attention_modules(model)) if blocks is None else blocks
    with _recording(model, count) as maps:
        try:
            model(images)
        except _EnoughError:
            return maps
    raise AssertionError(f"{type(model).__name__} has fewer than {count} blocks")


class _EnoughError(Exception):
    """All maps are there that were asked for."""


@contextmanager
def _recording(model: nn.Module, most: int | None) -> Iterator[list[Maps]]:
    """`record`; the pass ends with `_EnoughError` as soon as there are `most` maps."""
    modules = attention_modules(model)
    if any("forward" in vars(module) for module in modules):
        raise ModelError(
            f"this {type(model).__name__} is being recorded already; leave the other "
            "record(model) first, or load a second model."
        )
    maps: list[Maps] = []
    try:
        for index, module in enumerate(modules):
            # An instance attribute hides the class's forward; deleting it brings that back.
            vars(module)["forward"] = partial(_recorded, module, index, maps, most)
        yield maps
    finally:
        for module in modules:
            vars(module).pop("forward", None)


def _recorded(
    module: nn.Module,
    index: int,
    maps: list[Maps],
    most: int | None,
    x: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    operands = getattr(module, "operands", None)
    applied: Operands = _NONE if operands is None else dict(operands.items())
    out, seen = attention(module, x, applied, attn_mask, is_causal)
    del maps[index:]  # the first block starts a new pass
    maps.append(seen)
    if len(maps) == most:
        raise _EnoughError
    return out
