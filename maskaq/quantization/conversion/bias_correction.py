"""Activation correction: what Q's blocks put out is moved to where P's are, on average.

DFQ-ViT (arXiv 2507.14481) has a correction matrix in Q that aligns its intermediate activations
with P's, at calibration and at inference. Its equations are not public; this is our reading of it,
a form per token of bias correction (Nagel et al. 2019, arXiv 1906.04721): after each block the mean
over the calibration images of P's minus Q's output is added.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from maskaq.errors import ModelError, OptionError, unknown

__all__ = ["KINDS", "Correction", "blocks_of", "correcting", "mean_outputs", "put_corrections"]

KINDS = ("token", "channel")
_PART = 32  # images of a pass without gradients


class Correction(nn.Module):
    """Adds a constant to each token of x [B,T,C].

    shift: [R,C], first a row for each prefix token (CLS), then one for each patch (`token`) or one
    for all of them (`channel`), which could be added to the bias of the layer before if there were
    no prefix tokens. Where T is another than R, as when patches were dropped, patches take the mean
    of their rows.
    """

    shift: Tensor

    def __init__(self, prefix: int, patches: int, channels: int) -> None:
        super().__init__()
        self.prefix = prefix
        self.register_buffer("shift", torch.zeros(prefix + patches, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rows(x.shape[1]).to(x.dtype)

    def rows(self, tokens: int) -> Tensor:
        """What T tokens get, [T,C]."""
        if tokens == len(self.shift):
            return self.shift
        patches = self.shift[self.prefix :].mean(0, keepdim=True)  # [1,C]
        own = self.shift[: min(self.prefix, tokens)]  # [prefix,C]
        return torch.cat([own, patches.expand(tokens - len(own), -1)])  # [T,C]

    def set_to(self, gap: Tensor) -> None:
        """The correction that closes a gap [T,C] between P's and Q's mean outputs."""
        patches = gap[self.prefix :]  # [N,C]
        if len(self.shift) == self.prefix + 1:
            patches = patches.mean(0, keepdim=True)  # [1,C]
        self.shift.copy_(torch.cat([gap[: self.prefix], patches]))  # [R,C]


def blocks_of(model: nn.Module) -> list[Any]:
    """The blocks of a timm ViT that a correction can follow.

    Raises:
        ModelError: there are none.
    """
    found = [module for module in model.modules() if hasattr(module, "drop_path2")]
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no blocks whose output can be corrected; supported: ViT, "
            "DeiT and distilled DeiT of timm."
        )
    return found


def put_corrections(q: nn.Module, kind: str) -> None:
    """Make room for a correction after each block of Q, in place; as it stands it adds 0.

    It takes the place of the dropped path, which does nothing at evaluation and is the last thing
    that touches the branch before it joins the block's output.

    Raises:
        ModelError: Q has no such blocks. OptionError: an unknown kind.
    """
    if kind not in KINDS:
        raise OptionError(unknown("correction", kind, KINDS))
    vit, blocks = cast(Any, q), blocks_of(q)
    patches = vit.patch_embed.num_patches if kind == "token" else 1
    for block in blocks:
        block.drop_path2 = Correction(vit.num_prefix_tokens, patches, vit.embed_dim)


@torch.no_grad()
def mean_outputs(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Output of each block, mean over normalised images [N,3,S,S]: [T,C] each."""
    blocks = blocks_of(model)
    sums: list[Any] = [0.0] * len(blocks)

    def add(index: int, _: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
        sums[index] = sums[index] + out.sum(0)  # [T,C]

    with ExitStack() as stack:
        for index, block in enumerate(blocks):
            stack.callback(block.register_forward_hook(partial(add, index)).remove)
        for part in images.split(_PART):
            model(part)
    return [total / len(images) for total in sums]


@contextmanager
def correcting(q: nn.Module, wanted: list[Tensor]) -> Iterator[None]:
    """While open, a pass of images sets the correction of each block to reach the wanted mean.

    Each block sees inputs that those before it have corrected. wanted: [T,C] each, of P.
    """
    with ExitStack() as stack:
        for block, mean in zip(blocks_of(q), wanted, strict=True):
            hook = block.register_forward_hook(partial(_correct_now, block.drop_path2, mean))
            stack.callback(hook.remove)
        yield


def _correct_now(
    correction: Correction, wanted: Tensor, _: nn.Module, inputs: tuple[Tensor], out: Tensor
) -> Tensor:
    before = correction.rows(out.shape[1]).clone()  # [T,C]
    correction.set_to(before + wanted - out.mean(0))
    return out - before + correction.rows(out.shape[1])
