"""The interface of a task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from maskaq.intervals import Interval


class Cut(NamedTuple):
    """The part of each image that a view shows, resized to the full image; the axes are circular.

    top, left, high, wide: of the part, in pixels, [B] each. flipped: bool [B], parts that are
    mirrored. sides: height and width of the images in pixels.
    """

    top: Tensor
    left: Tensor
    high: Tensor
    wide: Tensor
    flipped: Tensor
    sides: tuple[int, int]


class Summary(NamedTuple):
    """What a model says about each image in one word, for captions.

    classes: int64 [..B]. certainty: its probability, float [..B].
    """

    classes: Tensor
    certainty: Tensor


@dataclass(frozen=True)
class Evaluation:
    """How well P and Q do their task, each number with its 95 % interval and the number of images.

    top1, top5: the main metric of P and of Q, and the second one; `TaskInfo.metrics` names them.
    agreement: how far P and Q give the same answer; it needs no labels. answers: for captions, one
    class per image, int64 [2,N]. apart: how far P and Q differ on each image, [N]. cosine: of the
    features of P and Q, if the model outputs features. per_class: the main metric of each class,
    [2,K], NaN where no image has it, if the task has one. draws: the main metric in resamples of
    the images, [2,R], which pair P with Q and run with run, if it is no mean over images. of_p:
    what a later judge of the same images can be told.
    """

    top1: tuple[Interval, Interval]
    top5: tuple[Interval, Interval]
    agreement: Interval
    answers: Tensor
    apart: Tensor
    cosine: Interval | None = None
    per_class: Tensor | None = field(default=None, repr=False)
    draws: Tensor | None = field(default=None, repr=False)
    of_p: Any = field(default=None, repr=False)


@dataclass(frozen=True, eq=False)
class ModelScore:
    """How well one model does a dense task.

    main, second: the two metrics. draws: the main one in resamples of the images, [R]. per_class:
    [K]. answers: for captions, int64 [N]. predictions: of all images, to be compared with those of
    another model.
    """

    main: Interval
    second: Interval
    draws: Tensor
    per_class: Tensor
    answers: Tensor
    predictions: Any

    def against(self, q: ModelScore, agreement: Interval, apart: Tensor) -> Evaluation:
        """The evaluation of Q, if this is the score of P."""
        return Evaluation(
            (self.main, q.main),
            (self.second, q.second),
            agreement,
            torch.stack([self.answers, q.answers]),  # [2,N]
            apart,
            per_class=torch.stack([self.per_class, q.per_class]),  # [2,K]
            draws=torch.stack([self.draws, q.draws]),  # [2,R]
            of_p=self,
        )


class Judge(Protocol):
    """Collects the outputs of P and Q on the evaluation images, batch by batch."""

    @property
    def needs_p(self) -> bool:
        """Whether P has to be run; not if its answers are known."""

    def add(self, outputs: Tensor, truth: Tensor) -> None:
        """Add the outputs of both models, or of Q, [M,B,..] on the CPU, and the truth, [B,..]."""

    def evaluation(self) -> Evaluation:
        """The evaluation on all images that were added."""


class Task(Protocol):
    """What a model is for. Its outputs are a tensor whose form the task defines.

    A *target* says what P should see in a synthetic image; the *truth* says what is in an image for
    evaluation. Both have the same form, one tensor for all images.
    """

    def sample_targets(self, count: int, classes: int, sides: tuple[int, int], seed: int) -> Tensor:
        """Targets of `count` images of these sides, drawn without any data: [count,..]."""

    def target_in_view(self, targets: Tensor, cut: Cut | None) -> Tensor:
        """What remains of the targets [B,..] in a view of the images; None is the whole image."""

    def target_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How far P is from seeing the targets: [B] in nats."""

    def reached(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """How much of each target P sees: [B] in 0..1."""

    def divergence(self, p: Tensor, q: Tensor, temperature: float = 1.0) -> Tensor:
        """Distance of Q's outputs from P's, mean over the images: []. It is 0 if they are equal."""

    def likelihood(self, outputs: Tensor, generator: torch.Generator) -> Tensor:
        """Sum over the images of log p(y), with y sampled from the outputs: []."""

    def summary(self, p: Tensor, outputs: Tensor) -> Summary:
        """What outputs [..B,..] say in one word. p: outputs of P to the same images, [B,..]."""

    def caption(self, truth: Tensor, classes: int) -> Tensor:
        """The truth [B,..] in one word, one of so many classes: int64 [B]."""

    def shown(self, truth: Tensor, outputs: Tensor) -> dict[str, Tensor]:
        """The truth [B,..] and the outputs of some models, [M,B,..], as stored for figures."""

    def judge(self, classes: int, known: Any = None) -> Judge:
        """A new judge. known: what an earlier one found out about P on the same images."""
