"""Activation correction: shift the block outputs of Q so that their means are those of P.

DFQ-ViT (arXiv 2507.14481) aligns intermediate activations of Q with P's by a correction matrix, at
calibration and at inference. Its equations are not public. This is our reading, bias correction
(Nagel et al. 2019, arXiv 1906.04721) per token: each block adds P's output minus Q's, averaged over
the calibration images.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.errors import ModelError, OptionError, unknown
from maskaq.models.backbone import prefix_of
from maskaq.models.structure import example_input

KINDS = ("token", "channel")
_BATCH = 32  # images in a pass without gradients


class Correction(nn.Module):
    """Adds a constant to each token of x [B,T,C].

    shift: [R,C], one row per prefix token, then one per patch (kind `"token"`) or one for all
    patches (kind `"channel"`). If T differs from R, as when patches are dropped, all patches get
    the mean of the patch rows.
    """

    shift: Tensor

    def __init__(self, prefix: int, patches: int, channels: int) -> None:
        super().__init__()
        self.prefix = prefix
        self.register_buffer("shift", torch.zeros(prefix + patches, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shift_for(x.shape[1]).to(x.dtype)

    def shift_for(self, tokens: int) -> Tensor:
        """The shift of T tokens, [T,C]."""
        if tokens == len(self.shift):
            return self.shift
        patches = self.shift[self.prefix :].mean(0, keepdim=True)  # [1,C]
        prefix = self.shift[: min(self.prefix, tokens)]  # [prefix,C]
        return torch.cat([prefix, patches.expand(tokens - len(prefix), -1)])  # [T,C]

    def set_to(self, gap: Tensor) -> None:
        """Set the shift to the difference [T,C] between P's and Q's mean outputs."""
        patches = gap[self.prefix :]  # [N,C]
        if len(self.shift) == self.prefix + 1:
            patches = patches.mean(0, keepdim=True)  # [1,C]
        self.shift.copy_(torch.cat([gap[: self.prefix], patches]))  # [R,C]


def blocks_of(model: nn.Module) -> list[Any]:
    """The blocks of a backbone whose output can be corrected.

    Raises:
        ModelError: it has none with the `drop_path2` that a correction replaces.
    """
    blocks = [module for module in model.modules() if hasattr(module, "drop_path2")]
    if not blocks:
        raise ModelError(
            f"{type(model).__name__} has no blocks whose output can be corrected: they have no "
            "drop_path2 before their last sum. Choose another back-end, such as tails."
        )
    return blocks


def add_corrections(q: nn.Module, kind: str) -> None:
    """Add a `Correction` of 0 to each block of a model that is not quantized yet, in place.

    It replaces the block's second drop path, which does nothing at evaluation and is the last
    module before the residual sum that is the block's output.

    Raises:
        ModelError: Q has no such blocks.
        OptionError: an unknown kind.
    """
    if kind not in KINDS:
        raise OptionError(unknown("correction", kind, KINDS))
    prefix = prefix_of(q)
    means = mean_outputs(q, example_input(q))  # for their shapes
    for block, mean in zip(blocks_of(q), means, strict=True):
        patches = len(mean) - prefix if kind == "token" else 1
        block.drop_path2 = Correction(prefix, patches, mean.shape[1])


@torch.no_grad()
def mean_outputs(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Output of each block, averaged over normalised images [N,3,S,S]: [T,C] each."""
    blocks = blocks_of(model)
    sums: list[Any] = [0.0] * len(blocks)

    def add(index: int, _: nn.Module, inputs: tuple[Tensor], out: Tensor) -> None:
        sums[index] = sums[index] + out.sum(0).flatten(0, -2)  # [T,C]

    with ExitStack() as stack:
        for index, block in enumerate(blocks):
            stack.callback(block.register_forward_hook(partial(add, index)).remove)
        for batch in images.split(_BATCH):
            model(batch)
    return [total / len(images) for total in sums]


@contextmanager
def correcting(q: nn.Module, means: list[Tensor]) -> Iterator[None]:
    """While open, a pass of images sets the correction of each block to reach P's mean output.

    Each block sees inputs that the blocks before it have corrected.

    Args:
        means: P's mean output of each block, [T,C] (`mean_outputs`).
    """
    with ExitStack() as stack:
        for block, mean in zip(blocks_of(q), means, strict=True):
            hook = block.register_forward_hook(partial(_correct_hook, block.drop_path2, mean))
            stack.callback(hook.remove)
        yield


def _correct_hook(
    correction: Correction, mean: Tensor, _: nn.Module, inputs: tuple[Tensor], out: Tensor
) -> Tensor:
    tokens = out.flatten(1, -2)  # [B,T,C]; blocks of Swin return [B,rows,columns,C]
    before = correction.shift_for(tokens.shape[1]).clone()  # [T,C]
    correction.set_to(before + mean - tokens.mean(0))
    return (tokens - before + correction.shift_for(tokens.shape[1])).view_as(out)
