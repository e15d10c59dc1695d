"""The terms of MaskAQ's synthesis objective, each a registered function of one `StepState`.

    L_S = one-hot + TV + inter-head + lambda_fb * entropy + lambda_align * alignment

(Qian et al. 2026, Eq. 1, 2, 3, 10 and 14, summed in Eq. 15.) The paper and the code its authors
released differ in most of them; `reading` says which one a step follows:

    term         "paper"                                   "released"
    maps         attention probabilities                   logits, before the division by sqrt(d)
    tv           sum of squares, 2 directions, per image   L2 norms over the batch, 4 directions
    inter_head   1 - mean SSIM                             1 - mean SSIM^2
    entropy      every two different patches               64 random patches, pairs with themselves
    align        whole maps, sum over blocks               class token's row, mean over blocks

Maps are averaged over the heads for `entropy` and `align`. A term has one value per image, [B], or
a single one, [], where the released code couples the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from maskaq.models.attention import Maps
from maskaq.regions.similarity import gaussian_entropy, similarity_moments
from maskaq.registry import Registry
from maskaq.synthesis.heads import head_similarity, patch_maps

__all__ = [
    "NEEDS_MAPS",
    "NEEDS_Q",
    "OBJECTIVES",
    "StepState",
    "alignment",
    "cross_entropy",
    "inter_head",
    "similarity_entropy",
    "total_variation",
]

NEEDS_MAPS = ("inter_head", "entropy", "align")
NEEDS_Q = ("align",)
DRAWN_ROWS = 64  # of the released entropy


@dataclass
class StepState:
    """What one synthesis step gives its objectives.

    images: [B,3,S,S] normalised, before augmentation. logits: [B,K] of P on the augmented images.
    labels: int64 [B]. maps_p, maps_q: one `Maps` per block of P and Q, on the augmented images;
    None where no active term needs them. mask: bool [B,N], the informative mask after the drop,
    None likewise. prefix: tokens before the patches. reading: `"paper"` or `"released"`. generator:
    for terms that draw. products: precision of the entropy's products of matrices.

    With `Savings`, the maps are of some blocks only, which stand for `blocks` of them; blocks with
    fewer patches see those of `kept`, int64 [B,k]; and of the others only the rows of `queries`,
    int64 [R], count.
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
    queries: Tensor | None = None
    kept: Tensor | None = None

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
        return [maps.mean(1) for maps in self.patch_maps]

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


Objective = Callable[[StepState], Tensor]
OBJECTIVES: Registry[Objective] = Registry("objective")


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image to its label: [B,K], [B] -> [B] in nats (MaskAQ Eq. 1)."""
    return functional.cross_entropy(logits.float(), labels, reduction="none")


def total_variation(images: Tensor, reading: str = "paper") -> Tensor:
    """Differences between neighbouring pixels of [B,3,S,S] (MaskAQ Eq. 2).

    Returns:
        `"paper"`: [B], squares summed over channels and pixels, downwards and across.
        `"released"`: [], the L2 norms over the whole batch of the differences in four directions,
        the two diagonal ones divided by sqrt(2).
    """
    down = images[..., 1:, :] - images[..., :-1, :]
    across = images[..., 1:] - images[..., :-1]
    if reading == "paper":
        return down.square().sum((1, 2, 3)) + across.square().sum((1, 2, 3))  # [B]
    falling = images[..., 1:, 1:] - images[..., :-1, :-1]
    rising = images[..., 1:, :-1] - images[..., :-1, 1:]
    straight = down.norm() + across.norm()
    total: Tensor = straight + (falling.norm() + rising.norm()) / 2**0.5  # []
    return total


def inter_head(maps: list[Tensor], reading: str = "paper") -> Tensor:
    """How unlike the heads' maps are (MaskAQ Eq. 3): per block [B,H,N,N] -> [B].

    0 where all heads agree. The released code squares the similarity, so that heads that are each
    other's negative count as alike.
    """
    total = torch.zeros((), device=maps[0].device)
    for rows in {block.shape[2] for block in maps}:
        alike = head_similarity([block for block in maps if block.shape[2] == rows])  # [L,B,N,H,H]
        if reading == "released":
            alike = alike.square()
        total = total + (1 - alike).mean((2, 3, 4)).sum(0)  # [B]
    return total / len(maps)


def similarity_entropy(
    maps: list[Tensor],
    generator: torch.Generator,
    reading: str = "paper",
    products: torch.dtype | None = None,
) -> Tensor:
    """Negative entropy of the similarities between patches (MaskAQ Eq. 10): -> [B].

    Args:
        maps: per block [B,N,N], one row per patch.
        generator: draws the rows of the released code, where N is above 64.
        reading: `"paper"` takes every two different rows, `"released"` 64 random rows, anew for
            each image and block, and each with itself as well.
        products: see `similarity_moments`.
    """
    variances = []
    for rows in maps:
        if reading == "released" and rows.shape[1] > DRAWN_ROWS:
            order = torch.rand(rows.shape[:2], generator=generator, device=rows.device).argsort(-1)
            chosen = order[:, :DRAWN_ROWS, None].expand(-1, -1, rows.shape[-1])
            rows = rows.gather(1, chosen)  # [B,64,N]
        variances.append(similarity_moments(rows, reading == "released", products)[1])  # [B]
    return -gaussian_entropy(torch.stack(variances)).mean(0)  # [B]


def alignment(
    maps_p: list[Tensor],
    maps_q: list[Tensor],
    masks: list[Tensor],
    reading: str = "paper",
    patches: int | None = None,
) -> Tensor:
    """Distance between the maps of P and Q inside the mask (MaskAQ Eq. 14): -> [B].

    The mask selects key patches, the columns of the maps; what it selects is divided by its size.

    Args:
        maps_p, maps_q: per block, rows of queries averaged over the heads, [B,R,N]. The paper's
            reading has all patches as queries, the released one only the class token, R = 1.
        masks: per block, bool [B,N].
        reading: `"paper"` sums over the blocks, `"released"` averages.
        patches: how many queries the rows stand for, R by default.
    """
    inside = []
    for p, q, mask in zip(maps_p, maps_q, masks, strict=True):
        standing = (patches or p.shape[1]) / p.shape[1]
        # A thin block may have lost every patch of the mask.
        weight = standing * mask / mask.sum(-1, keepdim=True).clamp(min=1)  # [B,N]
        inside.append(((p - q).abs().sum(1) * weight).sum(-1))  # [B]
    total = torch.stack(inside)  # [L,B]
    return total.mean(0) if reading == "released" else total.sum(0)


@OBJECTIVES.register("one_hot")
def _one_hot(state: StepState) -> Tensor:
    assert state.logits is not None, "the loop runs P in every step"
    return cross_entropy(state.logits, state.labels)


@OBJECTIVES.register("tv")
def _tv(state: StepState) -> Tensor:
    return total_variation(state.images, state.reading)


@OBJECTIVES.register("inter_head")
def _inter_head(state: StepState) -> Tensor:
    return inter_head(state.patch_maps, state.reading)


@OBJECTIVES.register("entropy")
def _entropy(state: StepState) -> Tensor:
    return similarity_entropy(state.mean_maps, state.generator, state.reading, state.products)


@OBJECTIVES.register("align")
def _align(state: StepState) -> Tensor:
    prefix, whole = state.prefix, None
    if state.reading == "released" and prefix:
        rows_p, rows_q = (
            [full[:, :, :1, prefix:].mean(1) for full in state.attention(maps)]  # [B,1,N]
            for maps in (state.maps_p, state.maps_q)
        )
    else:
        rows_p = state.mean_maps  # [B,R,N]
        rows_q = [maps.mean(1) for maps in state.among_patches(state.maps_q)]
        whole = None if state.mask is None else state.mask.shape[-1]
    total = alignment(rows_p, rows_q, state.masks(rows_p), state.reading, whole)
    standing = (state.blocks or len(rows_p)) / len(rows_p)
    return total if state.reading == "released" else standing * total
