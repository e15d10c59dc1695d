"""The adapter between any timm backbone and the rest of the library.

It answers what the rest asks about a model: where its attention modules are and how their tokens
lie in the image, which modules make up its body, and what these are called with. All answers come
from `structure_of`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.errors import ModelError
from maskaq.models.structure import example_input, structure_of
from maskaq.models.windows import Windows

SUPPORTED = (
    "backbones of timm whose attention is between all patches of the image (ViT, DeiT, BEiT, EVA, "
    "DINOv2, DINOv3, SigLIP) or in windows (Swin, SwinV2)"
)


@dataclass(frozen=True)
class Tokens:
    """grid: patches in rows and columns, at the finest resolution. prefix: number of tokens before
    the patches (CLS, distillation, registers)."""

    grid: tuple[int, int]
    prefix: int


def tokens_of(model: nn.Module) -> Tokens:
    """The tokens of a model.

    Raises:
        ModelError: its attention is not between patches of a grid.
    """
    attention_modules(model)  # raises
    embed: Any = model.patch_embed
    rows, columns = embed.grid_size
    return Tokens((rows, columns), prefix_of(model))


def prefix_of(model: nn.Module) -> int:
    """Number of tokens before the patches; 0 in a model that does not say."""
    return int(getattr(model, "num_prefix_tokens", 0))


def attention_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that compute attention between patches, in the order of execution.

    Attention that pools all patches into one vector is not among them.

    Raises:
        ModelError: there is none.
    """
    found = [m for m in model.modules() if "attention_index" in vars(m)]
    if not found:
        found = _mark(model)
    return sorted(found, key=lambda module: vars(module)["attention_index"])


def windows_of(model: nn.Module) -> list[Windows | None]:
    """The windows of each of `attention_modules`; None where attention is between all patches.

    Raises:
        ModelError: as `attention_modules`.
    """
    return [vars(module)["windows"] for module in attention_modules(model)]


def _mark(model: nn.Module) -> list[nn.Module]:
    """Note on each attention module its position and its windows; copies keep the notes."""
    traced = "structure" in vars(model)  # Q has that of P, and no plain convolution any more
    if not traced and not any(isinstance(module, nn.Conv2d) for module in model.modules()):
        raise _unsupported(model)
    found: dict[str, Windows | None] = {}
    stages: list[tuple[int, int]] = []
    structure = structure_of(model)
    for name, call in structure.attention.items():
        windows = _windows(model.get_submodule(name.rpartition(".")[0]), stages, call.shape)
        if windows is not None or _covers_the_grid(model, call.shape):
            found[name] = windows
    if not found or structure.others:  # some blocks attend in a way that cannot be recorded
        raise _unsupported(model)
    return mark_attention(model, found)


def mark_attention(model: nn.Module, windows: Mapping[str, Windows | None]) -> list[nn.Module]:
    """Say which modules compute attention between patches, where that cannot be found out.

    A model whose head reads the patches, and not the class token, says so by `reads_patches`.

    windows: those of each module, by name in the order of execution; None where attention is
    between all patches, after the prefix tokens. Copies of the model keep what is said.
    """
    marked = [model.get_submodule(name) for name in windows]
    for index, (module, own) in enumerate(zip(marked, windows.values(), strict=True)):
        vars(module).update(attention_index=index, windows=own)
        vars(module)["reads_patches"] = getattr(model, "reads_patches", False)
    return marked


def _unsupported(model: nn.Module) -> ModelError:
    return ModelError(
        f"{type(model).__name__} has no attention between patches that can be recorded; "
        f"supported: {SUPPORTED}."
    )


def _windows(block: Any, stages: list[tuple[int, int]], shape: tuple[int, ...]) -> Windows | None:
    """The windows of a block of Swin; None if it has none. stages: grids so far, extended."""
    size, grid = getattr(block, "window_size", None), getattr(block, "input_resolution", None)
    if size is None or grid is None or len(shape) != 4:
        return None
    if tuple(grid) not in stages:
        stages.append(tuple(grid))
    shift = tuple(getattr(block, "shift_size", (0, 0)))
    found = Windows(tuple(grid), tuple(size), shift, stages.index(tuple(grid)))
    fits = shape[0] == found.count and shape[2:] == (math.prod(size),) * 2
    return found if fits else None


def _covers_the_grid(model: nn.Module, shape: tuple[int, ...]) -> bool:
    grid = getattr(getattr(model, "patch_embed", None), "grid_size", None)
    if grid is None or len(shape) != 4:
        return False
    tokens = math.prod(grid) + prefix_of(model)
    return shape[2:] == (tokens, tokens)


@torch.no_grad()
def fuse_biases(model: nn.Module) -> nn.Module:
    """Give fused q, k, v projections their bias, in place; the model's answers stay the same.

    BEiT, EVA and SwinV2 keep the biases of q and v outside of the layer and call its function with
    its weight. A quantized layer in its place would never be called.
    """
    for module in model.modules():
        own: Any = module
        if getattr(module, "q_bias", None) is not None and isinstance(own.qkv, nn.Linear):
            middle = own.k_bias if own.k_bias is not None else torch.zeros_like(own.q_bias)
            bias = torch.cat([own.q_bias, middle, own.v_bias]).detach()  # [3*H*d]
            own.qkv.bias = nn.Parameter(bias, requires_grad=own.qkv.weight.requires_grad)
            own.q_bias = own.v_bias = None
            own.k_bias = None
            vars(model).pop("structure", None)  # of the model before
    return model


@dataclass(frozen=True, eq=False)
class Unit:
    """A module of the body, and what it is called with beside its input.

    module: maps its input [B,..,C] to its output. The other arguments are the same for all images,
    such as rotary position embeddings.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x, *self.args, **(self.kwargs or {}))
        return out


@torch.no_grad()
def units_of(model: nn.Module) -> list[Unit]:
    """The units of a model's body, each of which passes its output to the next one.

    Raises:
        ModelError: the body is not such a chain.
    """
    names = structure_of(model).units
    if not names:
        raise ModelError(
            f"the blocks of {type(model).__name__} do not form a chain, so they cannot be "
            "reconstructed one by one; choose a back-end that sets ranges only, such as tails."
        )
    found: dict[str, Unit] = {}

    def note(name: str, module: nn.Module, args: tuple[Any, ...], kwargs: Any) -> None:
        found[name] = Unit(name, module, args[1:], kwargs)

    with hooks(model, names, note):
        model(example_input(model))
    return [found[name] for name in names]


@contextmanager
def hooks(model: nn.Module, names: tuple[str, ...], note: Callable[..., None]) -> Iterator[None]:
    """While open, call `note(name, module, args, kwargs)` before each of these modules."""
    handles = [
        model.get_submodule(name).register_forward_pre_hook(partial(note, name), with_kwargs=True)
        for name in names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
