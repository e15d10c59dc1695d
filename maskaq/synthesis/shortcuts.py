"""Leaving work out of a synthesis step, where the images hardly miss it.

Each way is a field of `Savings`; what it costs in accuracy is in `benchmarks/README.md`.

- Steps between two alignments run P alone.
- A random part of the blocks and of the query patches stands for all of them; the terms keep their
  expected value, and Q is not run beyond the last block that counts.
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

__all__ = ["Plan", "Thinning", "drawn", "halved", "most_attended", "plan", "smaller"]

FULL_BLOCKS = 1 / 3  # share of the blocks, the first ones, that see every patch


@dataclass(frozen=True)
class Plan:
    """What one step does: at half the resolution, with alignment, with patches dropped."""

    coarse: bool
    aligns: bool
    thin: bool


def plan(options: SynthesisOptions, step: int) -> Plan:
    """The plan of a step, counted from 0.

    >>> from maskaq.config import Savings
    >>> plan(SynthesisOptions(steps=8, savings=Savings(coarse=0.5, align_every=2)), 5)
    Plan(coarse=False, aligns=False, thin=False)
    """
    savings, total = options.savings, options.steps
    coarse = step < round(savings.coarse * total)
    begins = max(int(options.align_from * total), round(savings.coarse * total))
    aligns = step >= begins and (step - begins) % savings.align_every == 0
    thin = savings.patches < 1 and step >= savings.patches_from * total and not coarse
    return Plan(coarse, aligns, thin)


def drawn(share: float, count: int, generator: torch.Generator) -> list[int]:
    """A random part of `count` things, in order; at least one of them."""
    if share == 1:
        return list(range(count))
    order = torch.randperm(count, generator=generator, device=generator.device)
    return sorted(order[: max(1, round(share * count))].tolist())


def smaller(model: nn.Module, size: int) -> nn.Module:
    """P for images of half the side, in place, with its position embeddings resampled.

    Raises:
        OptionError: half the side is not a whole number of patches.
    """
    vit: Any = model
    patch = vit.patch_embed.patch_size[0]
    if size % (2 * patch):
        raise OptionError(
            f"coarse steps need images whose half side is a multiple of the patch; {size} pixels "
            f"and patches of {patch} are not. Set savings.coarse to 0."
        )
    vit.set_input_size((size // 2, size // 2))
    vit.requires_grad_(False)
    return model


def halved(images: Tensor) -> Tensor:
    """Views at half the resolution: [B,3,S,S] -> [B,3,S/2,S/2]."""
    return functional.avg_pool2d(images, 2)  # [B,3,S/2,S/2]


class Thinning(nn.Module):
    """A place between two blocks where patches may leave: [B,T,C] -> [B,prefix+k,C]."""

    def __init__(self, depth: int, prefix: int) -> None:
        super().__init__()
        self.depth, self._prefix = depth, prefix
        self._choose: Callable[[], Tensor] | None = None

    @classmethod
    def put_into(cls, model: nn.Module, prefix: int) -> Thinning:
        """Insert one behind the first blocks of a timm ViT, in place."""
        vit: Any = model
        blocks = list(vit.blocks)
        made = cls(max(1, round(FULL_BLOCKS * len(blocks))), prefix)
        vit.blocks = nn.Sequential(*blocks[: made.depth], made, *blocks[made.depth :])
        return made

    @contextmanager
    def keeping(self, choose: Callable[[], Tensor]) -> Iterator[None]:
        """While open, the patches that `choose` names stay, int64 [B,k]."""
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


def most_attended(maps: Sequence[Maps], prefix: int, share: float) -> Tensor:
    """The patches of largest attention by the maps so far, in order: int64 [B,k]."""
    mask = informative_mask(patch_attention(maps, prefix), share)  # [B,N]
    return mask.nonzero()[:, 1].view(len(mask), -1)  # [B,k]
