"""Average precision as COCO defines it, for many weightings of the images at once.

`torchmetrics` computes it for all images; a bootstrap needs it for hundreds of resamples. What is
matched with what does not depend on the other images, so it is done once. For each resample only
the order of the detections by score counts, with the weight of their image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou

# In double precision, as COCO's own code has them: a recall of 0.3 has to reach the one of 0.3.
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
_RESAMPLES = 25  # at a time


class Detections(NamedTuple):
    """What a model finds in one image, most certain first.

    boxes: [D,4] as shares of the sides. scores: probabilities [D]. classes: int64 [D].
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor

    def at(self, rows: Tensor) -> Detections:
        """Those with these indices, or where a mask is True."""
        return Detections(*(values[rows] for values in self))


class RankedDetections:
    """Detections of all images and whether each is right, at each of the ten overlaps."""

    def __init__(self, classes: int) -> None:
        self._classes, self._images = classes, 0
        self._rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []  # score, class, image, right
        self._counts: list[Tensor] = []  # objects of each class, by image

    def add(self, found: Sequence[Detections], objects: Sequence[Detections]) -> None:
        """Match the detections of some images with their objects."""
        for own, truth in zip(found, objects, strict=True):
            right = matches(own, truth)  # [10,D]
            image = torch.full_like(own.classes, self._images)
            self._rows.append((own.scores, own.classes, image, right.T))
            self._counts.append(truth.classes.bincount(minlength=self._classes))
            self._images += 1

    def average_precision(self, weights: Tensor) -> Tensor:
        """AP for weights of the images [R,N]: [R,10,K], NaN for a class without objects."""
        score, classes, image, right = (torch.cat(part) for part in zip(*self._rows, strict=True))
        counts = weights @ torch.stack(self._counts).double()  # [R,K]
        order = score.argsort(descending=True, stable=True)
        per_class = []
        for number in range(self._classes):
            own = order[classes[order] == number]  # [D]
            parts = [
                _precision(right[own].T.double(), part[:, image[own]], total)
                for part, total in zip(
                    weights.split(_RESAMPLES), counts[:, number].split(_RESAMPLES), strict=True
                )
            ]
            per_class.append(torch.cat(parts))  # [R,10]
        return torch.stack(per_class, -1)  # [R,10,K]


def matches(found: Detections, objects: Detections) -> Tensor:
    """Which detections are right at each overlap: bool [10,D].

    From the most certain on, each takes the object of its class that it overlaps most among those
    that are left.
    """
    taken = torch.zeros(len(OVERLAPS), len(objects.boxes), dtype=torch.bool)
    right = torch.zeros(len(OVERLAPS), len(found.boxes), dtype=torch.bool)
    if not len(objects.boxes) or not len(found.boxes):
        return right
    overlap = box_iou(found.boxes.double(), objects.boxes.double())  # [D,m]
    least = torch.from_numpy(OVERLAPS)  # [10]
    overlap = overlap.where(found.classes[:, None] == objects.classes, -1.0)
    rows = torch.arange(len(OVERLAPS))
    for number in found.scores.argsort(descending=True, stable=True).tolist():
        best = overlap[number].expand_as(taken).masked_fill(taken, -1.0).max(1)  # [10] each
        right[:, number] = best.values >= least
        taken[rows, best.indices] |= right[:, number]
    return right


def _precision(right: Tensor, weights: Tensor, total: Tensor) -> Tensor:
    """AP of one class: mean over 101 recalls of the largest precision from there on.

    right: [10,D], sorted by score. weights: of the detections [R,D]. total: objects [R].
    Returns [R,10].
    """
    hits = (weights[:, None] * right).cumsum(-1)  # [R,10,D]
    seen = weights.cumsum(-1)[:, None].clamp(min=1e-12)  # [R,1,D]
    recall = hits / total[:, None, None]
    precision = (hits / seen).flip(-1).cummax(-1).values.flip(-1)  # [R,10,D]
    place = torch.searchsorted(
        recall.contiguous(), torch.from_numpy(RECALLS).repeat(*recall.shape[:2], 1)
    )
    padded = F.pad(precision, (0, 1))  # [R,10,D+1]: no precision at a recall that is not reached
    found = padded.gather(-1, place).mean(-1)  # [R,10]
    return found.where(total[:, None] > 0, torch.nan)
