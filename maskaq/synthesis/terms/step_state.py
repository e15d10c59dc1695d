"""What one synthesis step gives its objectives, and what they draw once and keep."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from maskaq.models.attention import Maps
from maskaq.synthesis.terms.head_similarity import over_heads, patch_maps

__all__ = ["Once", "StepState"]

T = TypeVar("T")


class Once:
    """What a batch of images draws in its first step and keeps: `once(name, draw)`.

    Each name has a generator of its own, seeded by the batch's seed, so that a refresh meets the
    same draws again, whatever else was drawn before.

    >>> once = Once(seed=3)
    >>> first = once("target", lambda generator: torch.rand(2, generator=generator))
    >>> once("target", lambda generator: torch.zeros(2)) is first
    True
    """

    def __init__(self, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self._seed, self._device = seed, device
        self._drawn: dict[str, Any] = {}

    def __call__(self, name: str, draw: Callable[[torch.Generator], T]) -> T:
        """What `draw` gave under this name, calling it if that is the first time."""
        if name not in self._drawn:
            own = (self._seed + zlib.crc32(name.encode())) % 2**63
            self._drawn[name] = draw(torch.Generator(self._device).manual_seed(own))
        found: T = self._drawn[name]
        return found


@dataclass
class StepState:
    """What one synthesis step gives its objectives.

    images: [B,3,S,S] normalised, before augmentation. logits: [B,K] of P on the augmented images.
    labels: int64 [B], of what P was shown. whole: bool [B], the images that it saw whole, None for
    all of them. maps_p, maps_q: one `Maps` per block of P and Q, on the augmented images;
    None where no active term needs them. mask: bool [B,N], the informative mask after the drop,
    None likewise. prefix: tokens before the patches. reading: `"paper"` or `"released"`. generator:
    for terms that draw; once: for what they draw once. products: precision of the entropy's
    products of matrices. grid: patches in rows and columns. deviation: what pixels in 0..1 were
    divided by, mean of the channels.

    With `Savings`, the maps are of some blocks only, those of `depths`, which stand for `blocks` of
    them; blocks with fewer patches see those of `kept`, int64 [B,k]; and of the others only the
    rows of `queries`, int64 [R], count.
    """

    images: Tensor
    labels: Tensor
    prefix: int
    reading: str
    generator: torch.Generator
    products: torch.dtype = torch.float32
    logits: Tensor | None = None
    maps_p: list[Maps] | None = None
    maps_q: list[Maps] | None = None
    mask: Tensor | None = None
    blocks: int | None = None
    depths: list[int] | None = None
    queries: Tensor | None = None
    kept: Tensor | None = None
    whole: Tensor | None = None
    grid: tuple[int, int] = (0, 0)
    deviation: float = 1.0
    once: Once = field(default_factory=Once)

    @property
    def standing(self) -> float:
        """How many blocks each of the recorded ones stands for."""
        count = len(self.maps_p or ())
        return (self.blocks or count) / count

    def attention(self, maps: list[Maps] | None) -> list[Tensor]:
        """Per block [B,H,T,T] float32: the probabilities, or in the released code q k^T."""
        assert maps is not None, "the loop records whenever a term needs maps"
        if self.reading == "paper":
            return [block.probs.float() for block in maps]
        return [block.logits.float() * block.heads.shape[-1] ** 0.5 for block in maps]

    @cached_property
    def patch_maps(self) -> list[Tensor]:
        """Per block [B,H,R,N]: the patches of P among themselves."""
        return self.among_patches(self.maps_p)

    @cached_property
    def mean_maps(self) -> list[Tensor]:
        """Per block [B,R,N]: the same, averaged over the heads."""
        return [over_heads(maps) for maps in self.patch_maps]

    def among_patches(self, maps: list[Maps] | None) -> list[Tensor]:
        """Per block [B,H,R,N], the rows of the queries that count."""
        found = self.attention(maps)
        few = -1 if self.kept is None else self.prefix + self.kept.shape[1]  # tokens if thin
        rows = [None if full.shape[-1] == few else self.queries for full in found]
        return [patch_maps(full, self.prefix, row) for full, row in zip(found, rows, strict=True)]

    def masks(self, maps: list[Tensor]) -> list[Tensor]:
        """The mask over the patches of each block: bool [B,N], of a thin one [B,k]."""
        assert self.mask is not None, "the loop makes a mask whenever a term needs it"
        thin = self.mask if self.kept is None else self.mask.gather(1, self.kept)  # [B,k]
        return [self.mask if one.shape[-1] == self.mask.shape[-1] else thin for one in maps]
