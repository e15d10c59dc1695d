"""Shortcuts that make synthesis steps cheaper at little cost in image quality.

Each shortcut is a field of `Savings`; `benchmarks/README.md` has its cost in accuracy.

- Steps between two alignments run P alone.
- A random subset of the blocks and of the query patches represents all of them; the terms keep
  their expected value, and Q is not run beyond the last block of the subset.
- The first steps are made at half the resolution, where a ViT has a quarter of the patches.
- In the last steps the patches that P attends to least are dropped after the first blocks. Sparse
  model inversion (Hu et al., ICML 2024) drops patches for good; here each view chooses its own, as
  views differ from step to step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from maskaq.config import SynthesisOptions
from maskaq.errors import OptionError
from maskaq.models.attention import Maps
from maskaq.regions.mask import informative_mask, patch_attention

FULL_BLOCKS = 1 / 3  # share of the blocks, the first ones, that process every patch


@dataclass(frozen=True)
class StepPlan:
    """Whether a step runs at half the resolution, aligns Q with P, and drops patches."""

    coarse: bool
    align: bool
    drop_patches: bool


def plan_step(options: SynthesisOptions, step: int) -> StepPlan:
    """The plan of a step, counted from 0.

    >>> from maskaq.config import Savings
    >>> plan_step(SynthesisOptions(steps=8, savings=Savings(coarse=0.5, align_every=2)), 5)
    StepPlan(coarse=False, align=False, drop_patches=False)
    """
    savings, total = options.savings, options.steps
    coarse = step < round(savings.coarse * total)
    first = max(int(options.align_from * total), round(savings.coarse * total))
    align = step >= first and (step - first) % savings.align_every == 0
    drop_patches = savings.patches < 1 and step >= savings.patches_from * total and not coarse
    return StepPlan(coarse, align, drop_patches)


def random_subset(share: float, count: int, generator: torch.Generator) -> list[int]:
    """A random share of the indices below `count`, in ascending order; at least one of them."""
    if share == 1:
        return list(range(count))
    order = torch.randperm(count, generator=generator, device=generator.device)
    return sorted(order[: max(1, round(share * count))].tolist())


def halve_input_size(model: nn.Module, sides: tuple[int, int]) -> nn.Module:
    """Make P take images of half the sides, in place; its position embeddings are resampled.

    Raises:
        OptionError: half of a side is not a whole number of patches.
    """
    vit: Any = model
    patch = vit.patch_embed.patch_size[0]
    for size in sides:
        if size % (2 * patch):
            raise OptionError(
                f"coarse steps need images whose half side is a multiple of the patch; {size} "
                f"pixels and patches of {patch} are not. Set savings.coarse to 0."
            )
    vit.set_input_size((sides[0] // 2, sides[1] // 2))
    vit.requires_grad_(False)
    return model


def halve_images(images: Tensor) -> Tensor:
    """Images at half the resolution: [B,3,S,S] -> [B,3,S/2,S/2]."""
    return functional.avg_pool2d(images, 2)  # [B,3,S/2,S/2]


class PatchDropping(nn.Module):
    """Drops patches between two blocks while `keep_only` is open: [B,T,C] -> [B,prefix+k,C]."""

    def __init__(self, depth: int, prefix: int) -> None:
        super().__init__()
        self.depth, self._prefix = depth, prefix
        self._choose: Callable[[], Tensor] | None = None

    @classmethod
    def insert_into(cls, model: nn.Module, prefix: int) -> PatchDropping:
        """Insert one after the first blocks of a timm ViT, in place."""
        vit: Any = model
        blocks = list(vit.blocks)
        dropping = cls(max(1, round(FULL_BLOCKS * len(blocks))), prefix)
        vit.blocks = nn.Sequential(*blocks[: dropping.depth], dropping, *blocks[dropping.depth :])
        return dropping

    @contextmanager
    def keep_only(self, choose: Callable[[], Tensor]) -> Iterator[None]:
        """While open, keep only the patches that `choose` returns, int64 [B,k]."""
        self._choose = choose
        try:
            yield
        finally:
            self._choose = None

    def forward(self, x: Tensor) -> Tensor:
        if self._choose is None:
            return x
        patches = self._prefix + self._choose()[..., None].expand(-1, -1, x.shape[-1])  # [B,k,C]
        return torch.cat([x[:, : self._prefix], x.gather(1, patches)], 1)  # [B,prefix+k,C]


def most_attended_patches(maps: Sequence[Maps], prefix: int, share: float) -> Tensor:
    """The share of patches with the largest attention, in ascending order: int64 [B,k]."""
    mask = informative_mask(patch_attention(maps, prefix), share)  # [B,N]
    return mask.nonzero()[:, 1].view(len(mask), -1)  # [B,k]
