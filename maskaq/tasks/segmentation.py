"""Semantic segmentation: logits [B,K,h,w], and the class of each pixel, int64 [B,H,W].

A model may give its logits at a lower resolution, as SegFormer does: they are then enlarged to that
of the truth. Pixels of class 255 have no truth and do not count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.tasks.base import Cut, Evaluation, ModelScore, Summary
from maskaq.tasks.classification import kl_divergence, sampled_log_probability
from maskaq.tasks.layouts import painted, sample_layouts
from maskaq.tasks.resampling import interval_of, resampled_weights

VOID = 255  # class of pixels without truth


class Segmentation:
    """Mean intersection over union of the classes (mIoU), and the share of pixels that are right.

    Agreement is the share of pixels with the same class in P and Q.
    """

    def sample_targets(self, count: int, classes: int, sides: tuple[int, int], seed: int) -> Tensor:
        """Ellipses of random classes on a ground of another: int64 [count,H,W].

        The last class is the ground of half of the images, as many label sets end with the
        background; the others have the ground of any class.
        """
        generator = torch.Generator().manual_seed(seed + 2)  # `sample_layouts` uses the others
        random = torch.rand(count, 2, generator=generator)  # [N,2]
        ground = (random[:, 0] * classes).long()  # [N]
        ground[random[:, 1] < 0.5] = classes - 1
        return painted(sample_layouts(count, classes, seed), sides, ground)

    def target_in_view(self, targets: Tensor, cut: Cut | None) -> Tensor:
        """The same part of the maps, by the nearest pixel: [B,H,W]."""
        if cut is None:
            return targets
        height, width = cut.sides
        rows = _nearest(cut.top, cut.high, height)  # [B,H]
        columns = _nearest(
            torch.where(cut.flipped, cut.left + cut.wide, cut.left),
            torch.where(cut.flipped, -cut.wide, cut.wide),
            width,
        )  # [B,W]
        chosen = targets.gather(1, rows[:, :, None].expand(-1, -1, width))  # [B,H,W]
        return chosen.gather(2, columns[:, None].expand(-1, height, -1))  # [B,H,W]

    def target_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of the pixels, in which each class of an image counts alike: [B]."""
        logits = _at(outputs, _sides(targets))
        losses = F.cross_entropy(logits, targets, reduction="none", ignore_index=VOID)  # [B,H,W]
        weights = _class_weights(targets, logits.shape[1])  # [B,H,W]
        return (losses * weights).sum((1, 2))

    def reached(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Share of the pixels that P assigns to their class, mean of the classes: [B]."""
        logits = _at(outputs, _sides(targets))
        hits = (logits.argmax(1) == targets).float()  # [B,H,W]
        return (hits * _class_weights(targets, logits.shape[1])).sum((1, 2))

    def divergence(self, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
        """T^2 KL of the class probabilities of P and Q, mean over all pixels: []."""
        return kl_divergence(p, q, temperature, dim=1) / (p.numel() / p.shape[1])

    def likelihood(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Of a class sampled for each pixel; pixels of an image count together as one: []."""
        pixels = outputs.shape[2] * outputs.shape[3]
        return sampled_log_probability(outputs.movedim(1, -1), generator) / pixels

    def summary(self, p: Tensor, outputs: Tensor) -> Summary:
        """The class, apart from the last one, that most pixels have, and its mean probability.

        The last one if all pixels have it.
        """
        probabilities = outputs.softmax(-3).flatten(-2)  # [..B,K,h*w]
        chosen = F.one_hot(probabilities.argmax(-2), outputs.shape[-3]).movedim(-1, -2)
        counts = chosen.sum(-1)  # [..B,K]
        counts[..., -1] = 0
        best = counts.argmax(-1)  # [..B]
        best = best.where(counts.sum(-1) > 0, outputs.shape[-3] - 1)
        own = best[..., None, None].expand(*best.shape, 1, probabilities.shape[-1])  # [..B,1,h*w]
        mask = chosen.gather(-2, own)[..., 0, :]  # [..B,h*w]
        values = probabilities.gather(-2, own)[..., 0, :] * mask  # [..B,h*w]
        return Summary(best, values.sum(-1) / mask.sum(-1).clamp(min=1))

    def caption(self, truth: Tensor, classes: int) -> Tensor:
        """The class, apart from the last one, that most pixels have; the last one without any."""
        counts = torch.zeros(len(truth), VOID + 1, dtype=torch.long)
        flat = truth.flatten(1).long()  # [B,H*W]
        counts.scatter_add_(1, flat, torch.ones_like(flat))  # [B,256]
        largest = counts[:, : classes - 1].max(1)  # [B] each
        return largest.indices.where(largest.values > 0, classes - 1)

    def shown(self, truth: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """`maps`: classes of the truth and of the models, uint8 [1+M,B,H,W]."""
        maps = [class_maps(one, _sides(truth)) for one in outputs]  # [B,H,W] each
        return {"maps": torch.stack([truth, *maps]).to(torch.uint8)}

    def judge(self, classes: int, known: ModelScore | None = None) -> Pixels:
        """Counts pixels by their class and the predicted one."""
        return Pixels(classes, known)


class Pixels:
    """What P and Q say about each pixel. known: the score of P on all images."""

    def __init__(self, classes: int, known: ModelScore | None = None) -> None:
        self._known = known
        self._models = [_Confusions(classes) for _ in range(2 if known is None else 1)]

    @property
    def needs_p(self) -> bool:
        return self._known is None

    def add(self, outputs: Tensor, truth: Tensor) -> None:
        """Logits [M,B,K,h,w] and classes [B,H,W]."""
        for model, logits in zip(self._models, outputs, strict=True):
            model.add(class_maps(logits, _sides(truth)), truth)

    def evaluation(self) -> Evaluation:
        """Of all images; the intervals are percentiles of a bootstrap over images."""
        scores = [model.score() for model in self._models]
        p, q = self._known or scores[0], scores[-1]
        same = (p.predictions == q.predictions).double().mean((1, 2))  # [N]
        spread = resampled_weights(len(same)) @ same / len(same)  # [R]
        agreement = interval_of(float(same.mean()), spread, len(same))
        return p.against(q, agreement, 1 - same.float())


class _Confusions:
    """The confusion matrix of each image for one model."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._matrices: list[Tensor] = []
        self._maps: list[Tensor] = []

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """Predicted and true classes, int64 [B,H,W]."""
        self._matrices.append(confusion(predicted, truth, self._classes))  # [B,K,K]
        self._maps.append(predicted.to(torch.uint8))

    def score(self) -> ModelScore:
        """On all images; the predictions are their class maps, uint8 [N,H,W]."""
        matrices, maps = torch.cat(self._matrices).double(), torch.cat(self._maps)
        total, count = matrices.sum(0), len(matrices)
        drawn = resampled_weights(count) @ matrices.flatten(1)  # [R,K*K]
        drawn = drawn.view(-1, *total.shape)  # [R,K,K]
        draws, per_class = iou_of(drawn).nanmean(-1), iou_of(total)  # [R], [K]
        return ModelScore(
            interval_of(float(per_class.nanmean()), draws, count),
            interval_of(float(right_share(total)), right_share(drawn), count),
            draws,
            per_class,
            TASK.caption(maps, self._classes),
            maps,
        )


def confusion(predicted: Tensor, truth: Tensor, classes: int) -> Tensor:
    """Pixels of each image by their class (rows) and the predicted one: [B,H,W] -> int64 [B,K,K].

    >>> confusion(torch.tensor([[[0, 1]]]), torch.tensor([[[0, 0]]]), 2).tolist()
    [[[1, 1], [0, 0]]]
    """
    image = torch.arange(len(truth))[:, None, None]  # [B,1,1]
    known = truth != VOID
    cell = ((image * classes + truth) * classes + predicted)[known]  # [pixels]
    counts = cell.bincount(minlength=len(truth) * classes**2)
    return counts.view(len(truth), classes, classes)


def iou_of(matrix: Tensor) -> Tensor:
    """Intersection over union of each class, from confusion matrices [..,K,K]: [..,K].

    NaN for a class that neither the truth nor the prediction has.
    """
    hits = matrix.diagonal(dim1=-2, dim2=-1)  # [..,K]
    return hits / (matrix.sum(-1) + matrix.sum(-2) - hits)


def right_share(matrix: Tensor) -> Tensor:
    """Share of the pixels that are right, from confusion matrices [..,K,K]: [..]."""
    return matrix.diagonal(dim1=-2, dim2=-1).sum(-1) / matrix.sum((-2, -1))


def class_maps(logits: Tensor, sides: tuple[int, int]) -> Tensor:
    """The class of each pixel of images of these sides, by logits [B,K,h,w]: [B,H,W]."""
    return _at(logits, sides).argmax(1)


def _at(logits: Tensor, sides: tuple[int, int]) -> Tensor:
    """Logits [B,K,h,w] in float32, at another resolution: [B,K,H,W]."""
    if tuple(logits.shape[2:]) == sides:
        return logits.float()
    return F.interpolate(logits.float(), sides, mode="bilinear", align_corners=False)


def _sides(maps: Tensor) -> tuple[int, int]:
    """Height and width of class maps [B,H,W]."""
    return maps.shape[1], maps.shape[2]


def _nearest(start: Tensor, length: Tensor, size: int) -> Tensor:
    """The old pixel that each new one shows: int64 [B,size]; see `augment.views.resampling`."""
    centre = (torch.arange(size, device=start.device) + 0.5) / size  # [S]
    return (start[:, None] + length[:, None] * centre).floor().long() % size


def _class_weights(targets: Tensor, classes: int) -> Tensor:
    """Weights [B,H,W] with sum 1 for each image and the same sum for each class in it."""
    flat = targets.flatten(1)  # [B,H*W]
    known = flat != VOID
    index = flat.where(known, 0)
    counts = torch.zeros(len(flat), classes, device=flat.device)
    counts.scatter_add_(1, index, known.float())  # [B,K]
    present = (counts > 0).sum(1, keepdim=True).clamp(min=1)  # [B,1]
    weights = known / (counts.gather(1, index).clamp(min=1) * present)
    return weights.view_as(targets)


TASK = Segmentation()
