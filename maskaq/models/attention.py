"""Recording and quantizing the attention of a timm Vision Transformer.

A head maps T tokens to queries, keys and values with d channels and returns

    heads = softmax(q k^T / sqrt(d)) v        (Vaswani et al. 2017, Eq. 1)

timm computes this in one fused kernel, which does not return the attention matrix. `attention` is
the same forward pass step by step, and can quantize each of the four operands of the two matrix
products. `record` uses it in place of a model's attention within a context.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from timm.models.vision_transformer import Attention
from torch import Tensor, nn

from maskaq.errors import ModelError

SUPPORTED = "ViT, DeiT and distilled DeiT of timm: VisionTransformer with timm's plain Attention"

Operands = Mapping[str, Callable[[Tensor], Tensor]]
_NONE: Operands = {}


class Maps(NamedTuple):
    """Attention of one block, with T tokens, prefix tokens first.

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
        module: a timm `Attention`, or a module with the same attributes. `qkv` and `proj` are
            called as modules and may be quantized.
        x: [B,T,C].
        operands: functions applied to the operands of the two matrix products, by name: `"query"`,
            `"key"`, `"value"` on [B,H,T,d] and `"softmax"` on the probabilities [B,H,T,T].
        attn_mask, is_causal: passed by timm's blocks; only None and False are supported.

    Returns:
        The module's output [B,T,C], and its maps.

    Raises:
        ModelError: a mask is given, or the module has a gate on its output.
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
    """The attention modules of all blocks, first block first.

    These are the modules of timm's class `Attention`, and those with an attribute `operands`, as
    the quantized attention has.

    Raises:
        ModelError: there is none, or one has a gate on its output.
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

    The list holds one `Maps` per block, of the latest pass, and is differentiable. On leaving the
    context the model is exactly as before, with fused attention.

    Raises:
        ModelError: no supported attention, the model is already being recorded, or (in the forward
            pass) an attention mask was given.

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
    """Attention maps of the first `blocks` blocks, or of all, for images [B,3,S,S].

    The forward pass stops after the last of them.

    Raises:
        ModelError: as `record`.
    """
    count = len(attention_modules(model)) if blocks is None else blocks
    with _recording(model, count) as maps:
        try:
            model(images)
        except _StopForwardError:
            return maps
    raise AssertionError(f"{type(model).__name__} has fewer than {count} blocks")


class _StopForwardError(Exception):
    """Ends a forward pass after the last map that is needed."""


@contextmanager
def _recording(model: nn.Module, limit: int | None) -> Iterator[list[Maps]]:
    """As `record`; raises `_StopForwardError` in the forward pass after `limit` maps."""
    modules = attention_modules(model)
    if any("forward" in vars(module) for module in modules):
        raise ModelError(
            f"this {type(model).__name__} is already being recorded; leave the other "
            "record(model) first, or load a second model."
        )
    maps: list[Maps] = []
    try:
        for index, module in enumerate(modules):
            # The instance attribute hides the method of the class until it is deleted.
            vars(module)["forward"] = partial(_recorded, module, index, maps, limit)
        yield maps
    finally:
        for module in modules:
            vars(module).pop("forward", None)


def _recorded(
    module: nn.Module,
    index: int,
    maps: list[Maps],
    limit: int | None,
    x: Tensor,
    attn_mask: Tensor | None = None,
    is_causal: bool = False,
) -> Tensor:
    operands = getattr(module, "operands", None)
    applied: Operands = _NONE if operands is None else dict(operands.items())
    out, block_maps = attention(module, x, applied, attn_mask, is_causal)
    del maps[index:]  # the first block starts a new pass
    maps.append(block_maps)
    if len(maps) == limit:
        raise _StopForwardError
    return out
