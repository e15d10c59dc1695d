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


@dataclass(frozen=True)
class StepState:
    """What one synthesis step gives its objectives.

    images: [B,3,S,S] normalised, before augmentation. logits: [B,K] of P on the augmented images.
    labels: int64 [B]. maps_p, maps_q: one `Maps` per block of P and Q, on the augmented images;
    None where no active term needs them. mask: bool [B,N], the informative mask after the drop,
    None likewise. prefix: tokens before the patches. reading: `"paper"` or `"released"`. generator:
    for terms that draw. products: precision of the entropy's products of matrices.
    """

    images: Tensor
    logits: Tensor
    labels: Tensor
    maps_p: list[Maps] | None
    maps_q: list[Maps] | None
    mask: Tensor | None
    prefix: int
    reading: str
    generator: torch.Generator
    products: torch.dtype = torch.float32

    def attention(self, maps: list[Maps] | None) -> list[Tensor]:
        """Per block [B,H,T,T] float32: the probabilities, or in the released code q k^T."""
        assert maps is not None, "the loop records whenever a term needs maps"
        if self.reading == "paper":
            return [block.probs.float() for block in maps]
        return [block.logits.float() * block.heads.shape[-1] ** 0.5 for block in maps]

    @cached_property
    def patch_maps(self) -> list[Tensor]:
        """Per block [B,H,N,N]: the patches of P among themselves."""
        return [patch_maps(full, self.prefix) for full in self.attention(self.maps_p)]

    @cached_property
    def mean_maps(self) -> list[Tensor]:
        """Per block [B,N,N]: the same, averaged over the heads."""
        return [maps.mean(1) for maps in self.patch_maps]


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
    similarity = head_similarity(maps)  # [L,B,N,H,H]
    if reading == "released":
        similarity = similarity.square()
    return (1 - similarity).mean((0, 2, 3, 4))  # [B]


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
    maps_p: list[Tensor], maps_q: list[Tensor], mask: Tensor, reading: str = "paper"
) -> Tensor:
    """Distance between the maps of P and Q inside the mask (MaskAQ Eq. 14): -> [B].

    The mask selects key patches, the columns of the maps; what it selects is divided by its size.

    Args:
        maps_p, maps_q: per block, rows of queries averaged over the heads, [B,R,N]. The paper's
            reading has all patches as queries, the released one only the class token, R = 1.
        mask: bool [B,N].
        reading: `"paper"` sums over the blocks, `"released"` averages.
    """
    weight = mask / mask.sum(-1, keepdim=True)  # [B,N]
    distances = torch.stack(
        [(p - q).abs().sum(1) for p, q in zip(maps_p, maps_q, strict=True)]
    )  # [L,B,N]
    inside = (distances * weight).sum(-1)  # [L,B]
    return inside.mean(0) if reading == "released" else inside.sum(0)


@OBJECTIVES.register("one_hot")
def _one_hot(state: StepState) -> Tensor:
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
    assert state.mask is not None, "the loop makes a mask whenever a term needs it"
    prefix, maps_q = state.prefix, state.attention(state.maps_q)
    if state.reading == "released" and prefix:
        rows_p = [m[:, :, :1, prefix:].mean(1) for m in state.attention(state.maps_p)]  # [B,1,N]
        rows_q = [m[:, :, :1, prefix:].mean(1) for m in maps_q]
    else:
        rows_p = state.mean_maps  # [B,N,N]
        rows_q = [m.mean(1)[:, prefix:, prefix:] for m in maps_q]
    return alignment(rows_p, rows_q, state.mask, state.reading)
