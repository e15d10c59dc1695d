"""Classification: logits [B,K], and the class of each image, int64 [B]."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.intervals import wilson
from maskaq.tasks.base import Cut, Evaluation, Summary
from maskaq.tasks.layouts import shuffled_rounds


class Answers(NamedTuple):
    """What a model answers to N labelled images, or M models to the same images.

    classes: predicted, int64 [N] or [M,N]. ranks: number of other classes that score at least as
    high as the label, likewise.
    """

    classes: Tensor
    ranks: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor, labels: Tensor) -> Answers:
        """Of logits [...,N,K] and labels [N]."""
        return cls(logits.argmax(-1), rank_of(logits, labels))

    @classmethod
    def joined(cls, parts: Iterable[Answers]) -> Answers:
        """Of all images of the parts."""
        return cls(*(torch.cat(values, -1) for values in zip(*parts, strict=True)))


def rank_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Rank of the label among the classes, 0 for top-1: [...,B,K] and [B] to [...,B].

    Ties and NaN scores count against the label.
    """
    index = labels.expand(logits.shape[:-1])[..., None]  # [...,B,1]
    own = logits.gather(-1, index)  # [...,B,1]
    return (~(logits < own)).sum(-1) - 1


class Classification:
    """Top-1 and top-5; agreement is the share of images with the same predicted class."""

    def sample_targets(self, count: int, classes: int, sides: tuple[int, int], seed: int) -> Tensor:
        """All classes in random order, then all in another random order, etc.: int64 [count]."""
        return shuffled_rounds(count, classes, seed)

    def target_in_view(self, targets: Tensor, cut: Cut | None) -> Tensor:
        """Every view has the label of the image."""
        return targets

    def target_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy to the label (MaskAQ Eq. 1): [B,K], [B] -> [B]."""
        return F.cross_entropy(outputs.float(), targets, reduction="none")

    def reached(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """1 where P predicts the label: [B]."""
        return (outputs.argmax(-1) == targets).float()

    def divergence(self, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
        """T^2 KL(softmax(p / T) || softmax(q / T)) of logits [B,K], mean over the images: []."""
        return kl_divergence(p, q, temperature, dim=1) / len(p)

    def likelihood(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Of a class sampled from the softmax of logits [B,K]: []."""
        return sampled_log_probability(outputs, generator)

    def summary(self, p: Tensor, outputs: Tensor) -> Summary:
        """The predicted class."""
        best = outputs.softmax(-1).max(-1)  # [..B] each
        return Summary(best.indices, best.values)

    def caption(self, truth: Tensor, classes: int) -> Tensor:
        """The label."""
        return truth

    def shown(self, truth: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """Nothing beside the predicted classes."""
        return {}

    def judge(self, classes: int, known: Answers | None = None) -> Ranks:
        """Counts which labels are first, and which among the first five."""
        return Ranks(known)


class Ranks:
    """The answers of P and Q so far. known: those of P to all images."""

    def __init__(self, known: Answers | None = None) -> None:
        self._known, self._parts = known, list[Answers]()

    @property
    def needs_p(self) -> bool:
        return self._known is None

    def add(self, outputs: Tensor, truth: Tensor) -> None:
        """Logits [M,B,K] and labels [B]."""
        self._parts.append(Answers.from_logits(outputs, truth))

    def evaluation(self) -> Evaluation:
        """Of all answers."""
        answers = Answers.joined(self._parts)  # [M,N] each
        if self._known is not None:
            both = zip(self._known, answers, strict=True)
            answers = Answers(*(torch.cat([p[None], q]) for p, q in both))  # [2,N] each
        return evaluation_of(answers)


def evaluation_of(answers: Answers) -> Evaluation:
    """Shares with Wilson's intervals, from the answers of P and Q, [2,N]."""
    count = answers.ranks.shape[1]
    top1, top5 = (
        tuple(wilson(int(hits), count) for hits in (answers.ranks < most).sum(1)) for most in (1, 5)
    )
    same = int((answers.classes[0] == answers.classes[1]).sum())
    agreement = wilson(same, count)
    apart = (answers.classes[0] != answers.classes[1]).float()  # [N]
    of_p = Answers(answers.classes[0], answers.ranks[0])
    return Evaluation(
        (top1[0], top1[1]), (top5[0], top5[1]), agreement, answers.classes, apart, of_p=of_p
    )


def kl_divergence(p: Tensor, q: Tensor, temperature: float, dim: int) -> Tensor:
    """T^2 KL(softmax(p / T) || softmax(q / T)) of logits, summed over everything: []."""
    return temperature**2 * F.kl_div(
        F.log_softmax(q / temperature, dim),
        F.log_softmax(p / temperature, dim),
        reduction="sum",
        log_target=True,
    )


def sampled_log_probability(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Sum of log p(y) of logits [...,K], with y sampled from their softmax: []."""
    flat = logits.flatten(0, -2)  # [M,K]
    y = torch.multinomial(flat.detach().softmax(-1), 1, generator=generator)  # [M,1]
    return flat.log_softmax(-1).gather(1, y).sum()


TASK = Classification()
