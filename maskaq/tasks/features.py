"""Models without a classifier: features [B,C]; the truth is the class of each image, int64 [B].

P and Q map every evaluation image to a vector. Their cosine similarity says how far quantization
turned it. What features are for is comparison, so two more numbers judge these: whether the nearest
neighbour of an image among the other evaluation images stays the same, and the accuracy of
classifying an image by the class of its nearest neighbour (k-NN evaluation with k = 1, as for DINO,
Caron et al., ICCV 2021).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.errors import DataError
from maskaq.intervals import student
from maskaq.tasks.base import Cut, Evaluation, Summary
from maskaq.tasks.classification import Answers, evaluation_of

_NEIGHBOURS = 5  # for top-5
_ROWS = 1000  # of the matrix of similarities at a time


class Features:
    """Synthetic images have no target. Top-1 is the share of images whose nearest neighbour has
    their class, top-5 that of images for which one of the five nearest has; agreement is the share
    of images with the same nearest neighbour in P and Q."""

    def sample_targets(self, count: int, classes: int, sides: tuple[int, int], seed: int) -> Tensor:
        """0 for all images: int64 [count]."""
        return torch.zeros(count, dtype=torch.long)

    def target_in_view(self, targets: Tensor, cut: Cut | None) -> Tensor:
        """Unchanged."""
        return targets

    def target_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """0 for all images: [B]."""
        return outputs.new_zeros(len(outputs))

    def reached(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """0 for all images: [B]."""
        return outputs.new_zeros(len(outputs))

    def divergence(self, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
        """Squared distance of Q's features from P's, [B,C], relative to P's length: mean, []."""
        distance = (q - p).square().sum(1)  # [B]
        return (distance / p.square().sum(1)).mean()

    def likelihood(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Of features that are normally distributed around the outputs [B,C]: []."""
        noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
        return (noise * outputs).sum()

    def summary(self, p: Tensor, outputs: Tensor) -> Summary:
        """Class 0, with the cosine to P's features in place of a probability."""
        cosine = F.cosine_similarity(outputs, p.expand_as(outputs), dim=-1)  # [..B]
        return Summary(torch.zeros(cosine.shape, dtype=torch.long), cosine)

    def caption(self, truth: Tensor, classes: int) -> Tensor:
        """The class."""
        return truth

    def shown(self, truth: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """Nothing beside the classes of the neighbours."""
        return {}

    def judge(self, classes: int, known: None = None) -> Neighbours:
        """Compares every image with all others."""
        return Neighbours()


class Neighbours:
    """The features of P and Q so far."""

    needs_p = True

    def __init__(self) -> None:
        self._features: list[Tensor] = []
        self._labels: list[Tensor] = []

    def add(self, outputs: Tensor, truth: Tensor) -> None:
        """Outputs [2,B,..] and labels [B]."""
        self._features.append(F.normalize(outputs.flatten(2).float(), dim=-1))  # [2,B,C]
        self._labels.append(truth)

    def evaluation(self) -> Evaluation:
        """Of all images.

        Raises:
            DataError: there is one image only.
        """
        both, labels = torch.cat(self._features, 1), torch.cat(self._labels)  # [2,N,C], [N]
        if len(labels) < 2:
            raise DataError("features are judged by neighbours: pass at least 2 evaluation images.")
        near = torch.stack([nearest(features) for features in both])  # [2,N,k]
        hits = labels[near] == labels[:, None]  # [2,N,k]
        first = torch.where(hits.any(-1), hits.int().argmax(-1), _NEIGHBOURS)  # [2,N]
        found = evaluation_of(Answers(near[..., 0], first))  # agreement is that of the neighbours
        cosine = student((both[0] * both[1]).sum(-1).tolist())
        answers = labels[near[..., 0]]  # [2,N]
        apart = (answers[0] != answers[1]).float()  # [N]
        return Evaluation(found.top1, found.top5, found.agreement, answers, apart, cosine)


def nearest(features: Tensor) -> Tensor:
    """The nearest other rows of unit features [N,C] by cosine, nearest first: int64 [N,k].

    k is 5, or N - 1 if that is less.

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]))[:, 0].tolist()
    [2, 2, 0]
    """
    count = min(_NEIGHBOURS, len(features) - 1)
    found = []
    for first in range(0, len(features), _ROWS):
        rows = features[first : first + _ROWS]  # [n,C]
        similarity = rows @ features.T  # [n,N]
        similarity[torch.arange(len(rows)), torch.arange(first, first + len(rows))] = -torch.inf
        found.append(similarity.topk(count, -1).indices)
    return torch.cat(found)  # [N,k]


TASK = Features()
