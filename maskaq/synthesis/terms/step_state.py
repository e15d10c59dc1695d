"""Inputs of the terms of a synthesis step, and random values sampled once per batch."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from maskaq.models.attention import Maps, windows_in
from maskaq.regions.mask import resize
from maskaq.synthesis.terms.head_similarity import mean_over_heads, patch_maps
from maskaq.tasks import Task
from maskaq.tasks.classification import TASK as CLASSIFICATION

T = TypeVar("T")


class RandomConstants:
    """Random values that a batch samples once and then keeps: `constants(name, sample)`.

    Each name has its own generator, seeded by the batch's seed and the name, so that a refresh gets
    the same values again, whatever else was sampled before.

    >>> constants = RandomConstants(seed=3)
    >>> first = constants("target", lambda generator: torch.rand(2, generator=generator))
    >>> constants("target", lambda generator: torch.zeros(2)) is first
    True
    """

    def __init__(self, seed: int = 0, device: torch.device | str = "cpu") -> None:
        self._seed, self._device = seed, device
        self._values: dict[str, Any] = {}

    def __call__(self, name: str, sample: Callable[[torch.Generator], T]) -> T:
        """The value of this name; `sample` is called the first time only."""
        if name not in self._values:
            seed = (self._seed + zlib.crc32(name.encode())) % 2**63
            self._values[name] = sample(torch.Generator(self._device).manual_seed(seed))
        value: T = self._values[name]
        return value


@dataclass
class StepState:
    """What the terms of one synthesis step are computed from.

    images: [B,3,S,S] normalised, before augmentation. task: what P is for. logits: outputs of P on
    the augmented images, [B,..]. labels: [B,..], what P should see there. uncropped: bool [B], the
    images that P was shown as a whole; None for all of them. maps_p, maps_q: one `Maps` per block
    of P and Q, on the augmented images; None if no active term needs them. mask: bool [B,N], the
    informative mask after the random drop; None likewise. prefix: tokens before the patches.
    reading: `"paper"` or `"released"`. generator: for terms that sample in each step; constants:
    for what they sample once. product_dtype: of the entropy's matrix products. grid: rows and
    columns of patches. pixel_std: what pixels in 0..1 were divided by, mean of the channels.

    With `Savings`, the maps are only of the blocks `depths`, which represent all `blocks`; blocks
    after patch dropping only have the patches `kept`, int64 [B,k]; and in the others only the rows
    of the patches `queries`, int64 [R], are used.
    """

    images: Tensor
    labels: Tensor
    prefix: int
    reading: str
    generator: torch.Generator
    product_dtype: torch.dtype = torch.float32
    logits: Tensor | None = None
    maps_p: list[Maps] | None = None
    maps_q: list[Maps] | None = None
    mask: Tensor | None = None
    blocks: int | None = None
    depths: list[int] | None = None
    queries: Tensor | None = None
    kept: Tensor | None = None
    uncropped: Tensor | None = None
    grid: tuple[int, int] = (0, 0)
    pixel_std: float = 1.0
    task: Task = CLASSIFICATION
    constants: RandomConstants = field(default_factory=RandomConstants)

    @property
    def block_weight(self) -> float:
        """The number of blocks that each recorded one represents."""
        count = len(self.maps_p or ())
        return (self.blocks or count) / count

    def attention(self, maps: list[Maps] | None) -> list[Tensor]:
        """Per block [B,H,T,T] float32: the probabilities, or in the released code q k^T."""
        assert maps is not None, "the batch records maps whenever a term needs them"
        if self.reading == "paper":
            return [block.probs.float() for block in maps]
        return [block.logits.float() * block.heads.shape[-1] ** 0.5 for block in maps]

    @property
    def windowed(self) -> bool:
        """Whether attention is computed in windows."""
        return bool(windows_in(self.maps_p or ()))

    @cached_property
    def patch_maps(self) -> list[Tensor]:
        """Per block [B,H,R,N]: P's attention between patches."""
        return self.between_patches(self.maps_p)

    @cached_property
    def mean_maps(self) -> list[Tensor]:
        """Per block [B,R,N]: the same, averaged over the heads."""
        return [mean_over_heads(maps) for maps in self.patch_maps]

    def between_patches(self, maps: list[Maps] | None) -> list[Tensor]:
        """Per block [B,H,R,N], attention between patches, only of the queries that are used.

        In windows [B*W,H,T,T], between all patches of each one.
        """
        attention = self.attention(maps)
        if self.windowed:
            return attention
        few = -1 if self.kept is None else self.prefix + self.kept.shape[1]  # tokens after dropping
        rows = [None if full.shape[-1] == few else self.queries for full in attention]
        return [
            patch_maps(full, self.prefix, row) for full, row in zip(attention, rows, strict=True)
        ]

    def masks(self, maps: list[Tensor]) -> list[Tensor]:
        """The mask over the patches of each block: bool [B,N], or [B,k] after patch dropping.

        At coarser resolutions, the share of each patch that is in the mask, float [B,M].
        """
        assert self.mask is not None, "the batch makes a mask whenever a term needs it"
        if windows := windows_in(self.maps_p or ()):
            share = self.mask.float()
            return [resize(share, self.grid, own.grid) for own in windows]
        few = self.mask if self.kept is None else self.mask.gather(1, self.kept)  # [B,k]
        return [self.mask if one.shape[-1] == self.mask.shape[-1] else few for one in maps]
