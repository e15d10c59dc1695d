"""Recording and quantizing the attention of any backbone, by running the model's own code.

A head maps T tokens to queries, keys and values with d channels and returns

    heads = softmax(q k^T / sqrt(d) + bias) v        (Vaswani et al. 2017, Eq. 1)

Models compute this in one fused kernel, which does not return the attention matrix, or step by
step. `observe` runs the forward pass of an attention module while a function mode intercepts the
kernel, or the two matrix products and the softmax. So the maps can be recorded and each of the four
operands quantized without rewriting a forward pass of any family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from maskaq.errors import ModelError
from maskaq.models.backbone import attention_modules
from maskaq.models.structure import KERNEL, MATMULS, SOFTMAX
from maskaq.models.windows import Windows

__all__ = [
    "Maps",
    "attention_modules",
    "heads_of_patches",
    "maps_of",
    "observe",
    "record",
    "windows_in",
]

Operands = Mapping[str, Callable[[Tensor], Tensor]]
_NONE: Operands = {}


class Maps(NamedTuple):
    """Attention of one block, with T tokens, prefix tokens first.

    logits: [B,H,T,T], queries in rows, divided by sqrt(d), with bias and mask. probs: [B,H,T,T],
    their softmax, rows sum to 1, before dropout and before any quantizer. heads: [B,H,T,d],
    probabilities times values, before the output projection.

    windows: if attention is computed in W windows, where they lie; the first axis then is B*W, the
    windows of the first image first. reads_patches: whether the head reads the patches, so that
    their attention counts, and not that of the class token.
    """

    logits: Tensor
    probs: Tensor
    heads: Tensor
    windows: Windows | None = None
    reads_patches: bool = False


def windows_in(maps: Sequence[Maps]) -> list[Windows]:
    """The windows of each block; none where attention is between all patches."""
    return [block.windows for block in maps if block.windows is not None]


def heads_of_patches(maps: Maps, prefix: int) -> Tensor:
    """Head outputs of the patches, in the order of the image: [B,H,N,d]."""
    if maps.windows is not None:
        return maps.windows.undo(maps.heads)  # [B,H,N,d]
    return maps.heads[:, :, prefix:]  # [B,H,N,d]


_IN_LAYER: ContextVar[bool] = ContextVar("in_layer", default=False)


@contextmanager
def in_layer() -> Iterator[None]:
    """While open, matrix products are those of a layer, not of the attention around it.

    A quantized layer enters it, since its quantizers and what observes them compute products too.
    """
    token = _IN_LAYER.set(True)
    try:
        yield
    finally:
        _IN_LAYER.reset(token)


class _Products(TorchFunctionMode):
    """Intercepts the attention of one forward pass; `maps` are those of the pass so far."""

    def __init__(self, operands: Operands) -> None:
        super().__init__()
        self.maps: Maps | None = None
        self._operands = operands
        self._softmax: tuple[Tensor, Tensor] | None = None  # input and output

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        named, name = kwargs or {}, getattr(func, "__name__", "")
        if _IN_LAYER.get():
            return func(*args, **named)
        if name == KERNEL:
            return self._attention(*args, **named)
        if name == SOFTMAX and self._softmax is None:
            probs = func(*args, **named)
            self._softmax = args[0], probs
            return probs
        if name in MATMULS and self.maps is None:
            return self._product(func, *args)
        return func(*args, **named)

    def _quantize(self, name: str, x: Tensor) -> Tensor:
        return self._operands[name](x) if name in self._operands else x

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """The fused kernel step by step: q, k, v [B,H,T,d] -> [B,H,T,d]."""
        if is_causal or enable_gqa:
            raise ModelError("causal and grouped-query attention are not supported.")
        query, key = self._quantize("query", query), self._quantize("key", key)
        value = self._quantize("value", value)
        factor = query.shape[-1] ** -0.5 if scale is None else scale
        logits = (query * factor) @ key.mT  # [B,H,T,T]
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            logits = logits.masked_fill(~attn_mask, -torch.inf)
        elif attn_mask is not None:
            logits = logits + attn_mask
        probs = logits.softmax(-1)
        weights = F.dropout(self._quantize("softmax", probs), dropout_p, dropout_p > 0)
        heads = weights @ value  # [B,H,T,d]
        self.maps = Maps(logits, probs, heads)
        return heads

    def _product(self, func: Any, first: Tensor, second: Tensor) -> Tensor:
        """One of the two products of a forward pass that does not call the kernel."""
        if self._softmax is None:
            product: Tensor = func(self._quantize("query", first), self._quantize("key", second))
            return product
        value = self._quantize("value", second)  # before the softmax, whose search may use it
        heads: Tensor = func(self._quantize("softmax", first), value)
        self.maps = Maps(*self._softmax, heads)
        return heads


def observe(
    module: nn.Module,
    forward: Callable[..., Any],
    operands: Operands,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[Any, Maps]:
    """Run the forward pass of an attention module, and record its maps.

    Args:
        module: one of `attention_modules`.
        forward: its forward pass, called with `args` and `kwargs`.
        operands: functions applied to the operands of the two matrix products, by name: `"query"`,
            `"key"`, `"value"` on [B,H,T,d] and `"softmax"` on the probabilities [B,H,T,T].

    Raises:
        ModelError: the pass does not compute attention, or causal or grouped attention.
    """
    own: Any = module
    fused = getattr(module, "fused_attn", True)
    try:
        if not fused:  # the kernel's arguments are easier to intercept than the steps
            own.fused_attn = True
        with _Products(operands) as products:
            out = forward(*args, **kwargs)
    finally:
        if not fused:
            own.fused_attn = False
    if products.maps is None:
        raise ModelError(f"{type(module).__name__} did not compute attention in this pass.")
    notes = vars(module)
    return out, products.maps._replace(
        windows=notes.get("windows"), reads_patches=notes.get("reads_patches", False)
    )


@contextmanager
def record(model: nn.Module) -> Iterator[list[Maps]]:
    """Record the attention of every forward pass while the context is open.

    The list holds one `Maps` per block, of the latest pass, and is differentiable. On leaving the
    context the model is exactly as before, with fused attention.

    Raises:
        ModelError: no supported attention, or the model is already being recorded.

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
    module: nn.Module, index: int, maps: list[Maps], limit: int | None, *args: Any, **kwargs: Any
) -> Any:
    own: Any = module
    forward, operands = partial(type(module).forward, module), _NONE
    if isinstance(module, QuantizedAttention):
        forward, operands = own.plain_forward, dict(own.operands.items())
    out, own_maps = observe(module, forward, operands, args, kwargs)
    del maps[index:]  # the first block starts a new pass
    maps.append(own_maps)
    if len(maps) == limit:
        raise _StopForwardError
    return out


class QuantizedAttention:
    """Mixed into the class of an attention module: quantizes the operands of its two products.

    operands: a `ModuleDict` of quantizers, as in `observe`.
    """

    operands: nn.ModuleDict

    def plain_forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's forward pass in float."""
        return super().forward(*args, **kwargs)  # type: ignore[misc]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        module: Any = self
        return observe(module, self.plain_forward, dict(self.operands.items()), args, kwargs)[0]
