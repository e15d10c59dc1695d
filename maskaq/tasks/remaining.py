"""Dense answers on the part of an image that remains when patches are removed.

The answer on a removed patch changes trivially, so only the others count. For each image the parts
of the answer are counted, pixels or objects: those that P's answer keeps, and those that are right.
A measure is one number from the sums of such counts over images.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.registry import Registry
from maskaq.tasks.average_precision import Detections
from maskaq.tasks.detection import SURE, detections, is_found, padded, present_objects
from maskaq.tasks.segmentation import VOID, class_maps, confusion, iou_of

_MOSTLY = 0.5  # share of a box's area that has to remain


@dataclass(frozen=True)
class Measure:
    """One number about the answers on what remains.

    counts: which method of `Remaining` it is computed from. value: the number, from sums of these
    counts over images [..,C]: [..], NaN where nothing remains. parts: from the same, how many
    pixels or objects it is about.
    """

    counts: Literal["kept", "right"]
    value: Callable[[Tensor], Tensor]
    parts: Callable[[Tensor], Tensor]


class Remaining(Protocol):
    """What is compared in the answers of a task.

    remains: the patches that remain, bool [B,rows,columns]. classes: their number, K.
    """

    measures: Mapping[str, Measure]  # the first one is the main one

    def answers(self, outputs: Tensor, sides: tuple[int, int]) -> Any:
        """What P says about images of these sides, from its outputs [B,..], for what follows."""

    def kept(self, whole: Any, now: Any, remains: Tensor, classes: int) -> Tensor:
        """Remaining parts of the answers to whole images, by their class: [B,2,K].

        First those that `now`, the answers without some patches, still has; then all of them.
        """

    def right(self, truth: Tensor, now: Any, remains: Tensor, classes: int) -> Tensor:
        """Counts that compare the answers with the truth on what remains: [B,C]."""

    def shown(self, answers: Any) -> Tensor:
        """The answers as stored for figures, see `results.artifacts.Evidence.shown`: [B,..]."""


def _share(classes: slice = slice(None), counts: Literal["kept", "right"] = "kept") -> Measure:
    """The first of two counts [..,2*K] as a share of the second, of some classes together."""

    def both(sums: Tensor) -> tuple[Tensor, Tensor]:
        first, second = sums.unflatten(-1, (2, -1))[..., classes].sum(-1).unbind(-1)  # [..] each
        return first, second

    def value(sums: Tensor) -> Tensor:
        first, second = both(sums)
        return first / second

    return Measure(counts, value, lambda sums: both(sums)[1])


def _mean_iou(sums: Tensor) -> Tensor:
    """mIoU from confusion matrices [..,K*K]: [..]."""
    classes = math.isqrt(sums.shape[-1])
    return iou_of(sums.unflatten(-1, (classes, classes))).nanmean(-1)


class RemainingPixels:
    """Segmentation: the pixels of remaining patches, by P's class. The last class is the ground."""

    measures: Mapping[str, Measure] = {
        "pixels": _share(),
        "object pixels": _share(slice(-1)),
        "mIoU": Measure("right", _mean_iou, lambda sums: sums.sum(-1)),
    }

    def answers(self, outputs: Tensor, sides: tuple[int, int]) -> Tensor:
        """Class maps int64 [B,H,W]."""
        return class_maps(outputs, sides)

    def kept(self, whole: Tensor, now: Tensor, remains: Tensor, classes: int) -> Tensor:
        """Pixels that keep their class, and all."""
        matrix = self._matrix(whole, now, remains, classes)  # [B,K,K]
        return torch.stack([matrix.diagonal(dim1=1, dim2=2), matrix.sum(2)], 1)

    def right(self, truth: Tensor, now: Tensor, remains: Tensor, classes: int) -> Tensor:
        """The confusion matrix of each image: [B,K*K]."""
        return self._matrix(truth, now, remains, classes).flatten(1)

    def shown(self, answers: Tensor) -> Tensor:
        """Class maps uint8 [B,H,W]."""
        return answers.to(torch.uint8)

    def _matrix(self, before: Tensor, now: Tensor, remains: Tensor, classes: int) -> Tensor:
        """Remaining pixels by two classes: [B,K,K]."""
        plane = F.interpolate(remains[:, None].float(), now.shape[1:])[:, 0]  # [B,H,W]
        return confusion(now, before.where(plane > 0, VOID), classes)


class RemainingObjects:
    """Detection: the objects that are found with a probability of at least 0.5.

    An object remains if at least half of its box does.
    """

    measures: Mapping[str, Measure] = {"objects": _share(), "recall": _share(counts="right")}

    def answers(self, outputs: Tensor, sides: tuple[int, int]) -> list[Detections]:
        """The objects found in each image."""
        found = [detections(own) for own in outputs]
        return [own.at(own.scores >= SURE) for own in found]

    def kept(
        self,
        whole: Sequence[Detections],
        now: Sequence[Detections],
        remains: Tensor,
        classes: int,
    ) -> Tensor:
        """Objects that are found again, and all."""
        rows = []
        for before, after, patches in zip(whole, now, remains, strict=True):
            objects = before.at(remaining_share(before.boxes, patches) >= _MOSTLY)
            again = objects.at(is_found(objects, after))
            counts = [one.classes.bincount(minlength=classes) for one in (again, objects)]
            rows.append(torch.stack(counts))  # [2,K]
        return torch.stack(rows)

    def right(
        self, truth: Tensor, now: Sequence[Detections], remains: Tensor, classes: int
    ) -> Tensor:
        """True objects that are found, and all, by class: [B,2*K]."""
        objects = [present_objects(own) for own in truth]
        return self.kept(objects, now, remains, classes).flatten(1)

    def shown(self, answers: Sequence[Detections]) -> Tensor:
        """Boxes float [B,M,6]."""
        return padded([answers])[0]


def remaining_share(boxes: Tensor, remains: Tensor) -> Tensor:
    """The share of each box's area that lies on patches that remain: [m,4] -> [m].

    remains: bool [rows,columns]. Parts outside the image do not count.

    >>> left_half = torch.tensor([[True, False]])
    >>> remaining_share(torch.tensor([[0.25, 0.0, 0.75, 1.0], [0.0, 0.0, 0.5, 0.5]]), left_half)
    tensor([0.5000, 1.0000])
    """
    rows, columns = remains.shape
    wide = _overlap(boxes[:, 0], boxes[:, 2], columns)  # [m,columns]
    high = _overlap(boxes[:, 1], boxes[:, 3], rows)  # [m,rows]
    area = torch.einsum("mr,rc,mc->m", high, remains.to(boxes), wide)
    return area / (high.sum(1) * wide.sum(1)).clamp(min=1e-12)


def _overlap(low: Tensor, high: Tensor, count: int) -> Tensor:
    """The length of ranges [m] in each of `count` equal parts of 0..1: [m,count]."""
    ends = torch.linspace(0, 1, count + 1).to(low)
    return (high[:, None].minimum(ends[1:]) - low[:, None].maximum(ends[:-1])).clamp(min=0)


REMAINING: Registry[Remaining] = Registry("dense task")
REMAINING |= {"segmentation": RemainingPixels(), "detection": RemainingObjects()}
