"""Object detection: proposals [B,N,K+5], and the objects of each image, float [B,M,5].

A proposal is K + 1 logits, the last of "no object", then the left, top, right and bottom of a box
as shares of the image's sides, as in DETR (Carion et al. 2020). An object is its class, or -1 where
an image has fewer than M, and its box.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torchmetrics.detection import MeanAveragePrecision
from torchvision.ops import batched_nms, box_iou, generalized_box_iou

from maskaq.tasks.average_precision import (
    OVERLAPS,
    RECALLS,
    Detections,
    RankedDetections,
)
from maskaq.tasks.base import Cut, Evaluation, ModelScore, Summary
from maskaq.tasks.classification import kl_divergence, sampled_log_probability
from maskaq.tasks.layouts import sample_layouts
from maskaq.tasks.resampling import interval_of, resampled_weights

ABSENT = -1
_LEAST = 0.05  # probability of a detection
_OVERLAP = 0.6  # intersection over union from which the less certain of two detections is dropped
_VOTES = 0.75  # and from which its box counts in the mean of both
_MOST = 100  # detections of an image, as in COCO
_FOUND = 0.5  # intersection over union at which a detection is of an object
SURE = 0.5  # probability from which a detection counts for the agreement
_SHOWN = 0.3  # and from which one is stored for figures
BOX_WEIGHT, OVERLAP_WEIGHT = 5.0, 2.0  # of the boxes in the loss, as in DETR
_VISIBLE = 0.3  # share of an object's area that a view has to show
_SPREAD = 0.05  # standard deviation of the boxes' sides in the likelihood, as a share of the image


class Detection:
    """Average precision (AP, as in COCO), and AP50. Agreement is the share of the objects that P
    finds with a probability of at least 0.5 that Q finds so too."""

    def sample_targets(self, count: int, classes: int, sides: tuple[int, int], seed: int) -> Tensor:
        """One to four boxes of random classes: [count,4,5]."""
        layout = sample_layouts(count, classes, seed)
        return torch.cat([layout.classes[..., None].float(), layout.boxes], -1)  # [N,4,5]

    def target_in_view(self, targets: Tensor, cut: Cut | None) -> Tensor:
        """The boxes in the view, cut at its border; one that is mostly outside is absent."""
        if cut is None:
            return targets
        boxes = targets[..., 1:]  # [B,M,4]
        height, width = cut.sides
        offset = torch.stack([cut.left / width, cut.top / height] * 2, 1)[:, None]  # [B,1,4]
        size = torch.stack([cut.wide / width, cut.high / height] * 2, 1)[:, None]  # [B,1,4]
        moved = (boxes - offset) / size  # [B,M,4]
        left = torch.where(cut.flipped[:, None], 1 - moved[..., 2], moved[..., 0])  # [B,M]
        right = torch.where(cut.flipped[:, None], 1 - moved[..., 0], moved[..., 2])
        whole = torch.stack([left, moved[..., 1], right, moved[..., 3]], -1)  # [B,M,4]
        inside = whole.clamp(0, 1)
        seen = _area(inside) >= _VISIBLE * _area(whole)  # [B,M]
        classes = targets[..., 0].where(seen, ABSENT)
        return torch.cat([classes[..., None], inside], -1)  # [B,M,5]

    def target_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of DETR: each object and the proposal that suits it best: [B].

        A proposal that overlaps an object without being matched to it may say anything, because
        detectors with a proposal for each patch have several for one object.
        """
        pairs = zip(outputs, targets, strict=True)
        return torch.stack([_set_loss(own, objects) for own, objects in pairs])

    def reached(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Share of the objects that P finds: [B]."""
        pairs = zip(outputs, targets, strict=True)
        found = [is_found(present_objects(wanted), detections(own)) for own, wanted in pairs]
        return torch.stack([hits.float().mean() if len(hits) else torch.ones(()) for hits in found])

    def divergence(self, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
        """T^2 KL of the class probabilities, mean over the proposals, and the distance of the boxes
        where P sees an object: []."""
        proposals = p.shape[0] * p.shape[1]
        logits_p, boxes_p = p[..., :-4], p[..., -4:]
        logits_q, boxes_q = q[..., :-4], q[..., -4:]
        classes = kl_divergence(logits_p, logits_q, temperature, dim=-1) / proposals
        objects = 1 - logits_p.softmax(-1)[..., -1]  # [B,N]
        distance = (boxes_p - boxes_q).abs().mean(-1)  # [B,N]
        boxes = (objects * distance).sum() / objects.sum().clamp(min=1e-6)
        return classes + BOX_WEIGHT * boxes

    def likelihood(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Of a class sampled for each proposal, and of normally distributed boxes where that is an
        object; the proposals of an image count together as one: []."""
        logits, boxes = outputs[..., :-4], outputs[..., -4:]
        classes = sampled_log_probability(logits, generator)
        noise = torch.randn(boxes.shape, generator=generator, device=boxes.device)
        objects = 1 - logits.detach().softmax(-1)[..., -1:]  # [B,N,1]
        return (classes + (objects.sqrt() * noise * boxes).sum() / _SPREAD) / outputs.shape[1]

    def summary(self, p: Tensor, outputs: Tensor) -> Summary:
        """The class of the most certain proposal."""
        probabilities = outputs[..., :-4].softmax(-1)[..., :-1]  # [..B,N,K]
        best = probabilities.flatten(-2).max(-1)  # [..B] each
        return Summary(best.indices % probabilities.shape[-1], best.values)

    def caption(self, truth: Tensor, classes: int) -> Tensor:
        """The class of the largest object, 0 without any: [B]."""
        present = truth[..., 0] != ABSENT  # [B,M]
        largest = (_area(truth[..., 1:]) * present).argmax(1, keepdim=True)  # [B,1]
        return truth[..., 0].gather(1, largest)[:, 0].clamp(min=0).long()

    def shown(self, truth: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """`boxes`: of the truth and of the models, float [1+M,B,D,6]: class, or -1, probability,
        left, top, right and bottom as shares of the sides. Detections have a probability of 0.3 or
        more.
        """
        found = [[detections(own) for own in one] for one in outputs]
        sure = [[own.at(own.scores >= _SHOWN) for own in one] for one in found]
        return {"boxes": padded([[present_objects(own) for own in truth], *sure])}

    def judge(self, classes: int, known: ModelScore | None = None) -> Objects:
        """Compares detections with objects."""
        return Objects(classes, known)


class Objects:
    """What P and Q find. known: the score of P on all images."""

    def __init__(self, classes: int, known: ModelScore | None = None) -> None:
        self._known = known
        self._models = [_Matched(classes) for _ in range(2 if known is None else 1)]

    @property
    def needs_p(self) -> bool:
        return self._known is None

    def add(self, outputs: Tensor, truth: Tensor) -> None:
        """Proposals [M,B,N,K+5] and objects [B,M,5]."""
        objects = [present_objects(own) for own in truth]
        for model, proposals in zip(self._models, outputs, strict=True):
            model.add(proposals, objects)

    def evaluation(self) -> Evaluation:
        """Of all images; the intervals are percentiles of a bootstrap over images."""
        scores = [model.score() for model in self._models]
        p, q = self._known or scores[0], scores[-1]
        pairs = zip(p.predictions, q.predictions, strict=True)
        counts = torch.tensor([_in_common(*pair) for pair in pairs], dtype=torch.double)  # [N,3]
        only_p, both, _ = counts.sum(0).tolist()
        sums = resampled_weights(len(counts)) @ counts  # [R,3]
        spread = sums[:, 1] / sums[:, :2].sum(1).clamp(min=1)  # [R]
        share = both / (only_p + both) if only_p + both else 1.0
        agreement = interval_of(share, spread, len(counts))
        return p.against(q, agreement, (counts[:, 0] + counts[:, 2]).float())


class _Matched:
    """The detections of one model, matched with the objects."""

    def __init__(self, classes: int) -> None:
        self._metric, self._ranked = coco_metric(), RankedDetections(classes)
        self._found: list[Detections] = []
        self._answers: list[Tensor] = []

    def add(self, proposals: Tensor, objects: list[Detections]) -> None:
        """Proposals [B,N,K+5] and the objects of each image."""
        found = [detections(own) for own in proposals]
        self._metric.update([_as_coco(own) for own in found], [_as_coco(own) for own in objects])
        self._ranked.add(found, objects)
        self._found += found
        self._answers.append(TASK.summary(proposals, proposals).classes)  # [B]

    def score(self) -> ModelScore:
        """On all images; the predictions are the detections of each image."""
        value, count = self._metric.compute(), len(self._found)
        all_once = torch.ones(1, count, dtype=torch.double)
        weights = torch.cat([all_once, resampled_weights(count)])  # [1+R,N]
        found = self._ranked.average_precision(weights)  # [1+R,10,K]
        once, drawn = found[0], found[1:]
        draws = drawn.nanmean((1, 2))  # [R]
        return ModelScore(
            interval_of(float(value["map"]), draws, count),
            interval_of(float(value["map_50"]), drawn[:, 0].nanmean(1), count),
            draws,
            once.mean(0),
            torch.cat(self._answers),
            self._found,
        )


def _in_common(p: Detections, q: Detections) -> tuple[int, int, int]:
    """Objects that only P finds, that both find, and that only Q finds."""
    sure_p, sure_q = (own.at(own.scores >= SURE) for own in (p, q))
    both = int(is_found(sure_p, sure_q).sum())
    return len(sure_p.boxes) - both, both, max(0, len(sure_q.boxes) - both)


def coco_metric() -> MeanAveragePrecision:
    """Average precision over the overlaps and recalls of COCO."""
    return MeanAveragePrecision(
        backend="faster_coco_eval",
        iou_thresholds=OVERLAPS.tolist(),
        rec_thresholds=RECALLS.tolist(),
    )


def detections(proposals: Tensor) -> Detections:
    """The detections among the proposals [N,K+5] of one image.

    A proposal counts for each class with a probability of at least 0.05; of two overlapping
    detections of a class the more certain one stays. Its box becomes the mean of all boxes of the
    class that overlap it by at least 0.75, weighted by probability (box voting, Gidaris and
    Komodakis 2015).
    """
    probabilities = proposals[:, :-4].softmax(-1)[:, :-1]  # [N,K]
    row, classes = (probabilities >= _LEAST).nonzero(as_tuple=True)  # [D] each
    scores, boxes = probabilities[row, classes], proposals[row, -4:]  # [D], [D,4]
    kept = batched_nms(boxes, scores, classes, _OVERLAP)[:_MOST]  # [d]
    voting = (box_iou(boxes[kept], boxes) >= _VOTES) & (classes[kept, None] == classes)  # [d,D]
    voting[torch.arange(len(kept)), kept] = True  # a box without an area overlaps nothing
    votes = voting * scores  # [d,D]
    return Detections(votes @ boxes / votes.sum(1, keepdim=True), scores[kept], classes[kept])


def present_objects(truth: Tensor) -> Detections:
    """The objects [M,5] of one image that are present, as certain detections."""
    present = truth[truth[:, 0] != ABSENT]  # [m,5]
    return Detections(present[:, 1:], torch.ones(len(present)), present[:, 0].long())


def is_found(objects: Detections, among: Detections) -> Tensor:
    """Which objects have a detection of their class that overlaps them: bool [m]."""
    if not len(among.boxes) or not len(objects.boxes):
        return torch.zeros(len(objects.boxes), dtype=torch.bool)
    near: Tensor = box_iou(objects.boxes, among.boxes) >= _FOUND  # [m,D]
    return (near & (objects.classes[:, None] == among.classes)).any(1)


def padded(rows: Sequence[Sequence[Detections]]) -> Tensor:
    """Detections of all rows and images as one tensor [rows,B,M,6]; -1 is the class of none."""
    most = max((len(own.boxes) for row in rows for own in row), default=0) or 1
    boxes = torch.zeros(len(rows), len(rows[0]), most, 6)
    boxes[..., 0] = ABSENT
    for number, row in enumerate(rows):
        for image, own in enumerate(row):
            values = torch.cat([own.classes[:, None], own.scores[:, None], own.boxes], 1)  # [D,6]
            boxes[number, image, : len(values)] = values
    return boxes


def _as_coco(found: Detections) -> dict[str, Tensor]:
    return {"boxes": found.boxes, "scores": found.scores, "labels": found.classes}


def _area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _set_loss(proposals: Tensor, targets: Tensor) -> Tensor:
    """The loss of one image: proposals [N,K+5], objects [M,5] -> []."""
    logits, boxes = proposals[:, :-4].float(), proposals[:, -4:].float()
    objects = present_objects(targets)
    nothing = logits.shape[1] - 1
    if not len(objects.boxes):
        return F.cross_entropy(logits, torch.full((len(logits),), nothing, device=logits.device))
    distance = torch.cdist(objects.boxes, boxes, p=1) / 4  # [m,N]
    overlap = generalized_box_iou(objects.boxes, boxes)  # [m,N]
    surprise = -logits.log_softmax(-1)  # [N,K+1]
    cost = surprise[:, objects.classes].T + BOX_WEIGHT * distance + OVERLAP_WEIGHT * (1 - overlap)
    object_of, proposal_of = linear_sum_assignment(cost.detach().cpu().numpy())
    free = (box_iou(objects.boxes, boxes.detach()) < _FOUND).all(0)  # [N]
    free[proposal_of] = False
    matched = cost[object_of, proposal_of].mean()
    loss: Tensor = matched + (surprise[:, nothing] * free).sum() / free.sum().clamp(min=1)
    return loss


TASK = Detection()
