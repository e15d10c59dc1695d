"""SARDFQ's semantics: parts of an image that are images of their own, and labels that are not sure.

**Several meanings** (multi-semantic reinforcement; Zhong et al., ICCV 2025, arXiv 2412.16553): 1 to
4 disjoint crops of an image, each resized to the full input, shall show P a class of their own. Our
reading, in a batch of fixed size: the crops are quadrants, drawn once together with their labels;
each step shows every image with probability 1/2 whole, with its own label, and otherwise as one of
its crops, with that one's label.

**Soft labels**: the target is softmax(Z), where Z of the label is drawn once per image from
U(5, 10). That the other classes have Z = 0 is our reading.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Meanings", "View", "draw_meanings", "draw_peaks", "soft_cross_entropy", "view"]

QUADRANTS = 4
PEAK = 5.0, 10.0  # logit of the label in a soft target


class Meanings(NamedTuple):
    """The crops of each image that have a label of their own.

    crops: int64 [B], how many, 1 to 4. quadrant: int64 [B,4], numbered row by row, of which the
    first `crops` count. labels: int64 [B,4] of these.
    """

    crops: Tensor
    quadrant: Tensor
    labels: Tensor


class View(NamedTuple):
    """What a step shows: images [B,3,S,S], their labels int64 [B], and bool [B] which are whole.

    whole: None for all of them.
    """

    images: Tensor
    labels: Tensor
    whole: Tensor | None = None


def draw_meanings(images: int, classes: int, most: int, generator: torch.Generator) -> Meanings:
    """Up to `most` crops for each image, 1 to 4."""
    device, shape = generator.device, (images, QUADRANTS)
    return Meanings(
        crops=torch.randint(1, most + 1, (images,), generator=generator, device=device),
        quadrant=torch.rand(shape, generator=generator, device=device).argsort(1),
        labels=torch.randint(classes, shape, generator=generator, device=device),
    )


def view(images: Tensor, labels: Tensor, own: Meanings, generator: torch.Generator) -> View:
    """Each image [B,3,S,S] whole with its label [B], or one of its crops at full size."""
    size = images.shape[-1]
    half = size // 2
    draw = torch.rand((2, len(images)), generator=generator, device=generator.device)
    whole = draw[0] < 0.5
    turn = (draw[1] * own.crops).long()[:, None]  # [B,1]
    parts = [
        images[..., top : top + half, left : left + half]
        for top in (0, size - half)
        for left in (0, size - half)
    ]
    each = torch.arange(len(images), device=images.device)
    crop = torch.stack(parts, 1)[each, own.quadrant.gather(1, turn)[:, 0]]  # [B,3,S/2,S/2]
    large = functional.interpolate(crop, size=(size, size), mode="bilinear")  # [B,3,S,S]
    return View(
        torch.where(whole[:, None, None, None], images, large),
        torch.where(whole, labels, own.labels.gather(1, turn)[:, 0]),
        whole,
    )


def draw_peaks(images: int, generator: torch.Generator) -> Tensor:
    """The logit of the label in each image's soft target, [B]."""
    share = torch.rand(images, generator=generator, device=generator.device)
    return PEAK[0] + (PEAK[1] - PEAK[0]) * share


def soft_cross_entropy(logits: Tensor, labels: Tensor, peaks: Tensor) -> Tensor:
    """Cross-entropy to softmax(Z), Z = peak at the label and 0 elsewhere: -> [B] in nats.

    Args:
        logits: [B,K]. labels: int64 [B]. peaks: [B].
    """
    target = torch.zeros_like(logits, dtype=torch.float32)
    target = target.scatter(1, labels[:, None], peaks[:, None]).softmax(-1)  # [B,K]
    return functional.cross_entropy(logits.float(), target, reduction="none")
