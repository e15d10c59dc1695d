"""Accuracy of P and Q on the same labelled images, and their predictions on synthetic images."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.events import Event
from maskaq.intervals import Interval, wilson
from maskaq.models.attention import record
from maskaq.models.backbone import prefix_of
from maskaq.regions.mask import patch_attention

BATCH = 50  # images per batch, at most
_PREDICTED = 64  # images per batch, with recorded attention
_CACHE_BYTES = 32e6  # size of the widest activation that still fits a processor's cache


class Answers(NamedTuple):
    """What a model answers to N labelled images, or M models to the same images.

    classes: predicted, int64 [N] or [M,N]. ranks: number of other classes that score at least as
    high as the label, likewise.
    """

    classes: Tensor
    ranks: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor, labels: Tensor) -> "Answers":
        """Of logits [...,N,K] and labels [N]."""
        return cls(logits.argmax(-1), rank_of(logits, labels))

    @classmethod
    def joined(cls, parts: Iterable["Answers"]) -> "Answers":
        """Of all images of the parts."""
        return cls(*(torch.cat(values, -1) for values in zip(*parts, strict=True)))


@dataclass(frozen=True)
class Evaluation:
    """Accuracy of P and Q, each share with its 95 % interval and the number of images.

    top1, top5: of P and of Q. agreement: share of images on which both predict the same class; it
    needs no labels. answers: predicted classes, int64 [2,N]. ranks: number of classes that score
    at least as high as the label, other than the label itself, int64 [2,N]. cosine: of the features
    of P and Q, for a model without a classifier (`evaluation.features`).
    """

    top1: tuple[Interval, Interval]
    top5: tuple[Interval, Interval]
    agreement: Interval
    answers: Tensor
    ranks: Tensor
    cosine: Interval | None = None

    @property
    def of_p(self) -> Answers:
        """The answers of P, which runs with the same images can share."""
        return Answers(self.answers[0], self.ranks[0])


@torch.no_grad()
def evaluate(
    p: nn.Module,
    q: nn.Module,
    images: Tensor,
    labels: Tensor,
    normalise: Callable[[Tensor], Tensor],
    known: Answers | None = None,
) -> Iterator[Event | Evaluation]:
    """Run both models on the same images; yields events, then the `Evaluation`.

    Args:
        images: uint8 [N,3,S,S], converted batch by batch. labels: int64 [N].
        normalise: maps uint8 [B,3,S,S] to the models' input, on their device.
        known: P's answers to these images, if it need not be run again.
    """
    models = (p, q) if known is None else (q,)
    parts: list[Answers] = []
    size = batch_size_for(p)
    batches = list(zip(images.split(size), labels.split(size), strict=True))
    for done, (batch, target) in enumerate(batches, start=1):
        inputs = normalise(batch)
        logits = torch.stack([model(inputs) for model in models]).cpu()  # [M,B,K]
        parts.append(Answers.from_logits(logits, target))  # [M,B] each
        yield Event("evaluation", done, len(batches))
    answer, rank = Answers.joined(parts)  # [M,N] each
    if known is not None:
        answer = torch.cat([known.classes[None], answer])  # [2,N]
        rank = torch.cat([known.ranks[None], rank])  # [2,N]
    count = rank.shape[1]
    same = int((answer[0] == answer[1]).sum())
    top1, top5 = (
        tuple(wilson(int(hits), count) for hits in (rank < most).sum(1)) for most in (1, 5)
    )
    yield Evaluation((top1[0], top1[1]), (top5[0], top5[1]), wilson(same, count), answer, rank)


def batch_size_for(model: nn.Module) -> int:
    """Number of images per forward pass: fewer for large images and large models.

    The widest activation is that of the first layer of an MLP, four times as wide as its tokens.
    """
    embed, width = getattr(model, "patch_embed", None), getattr(model, "embed_dim", None)
    if embed is None or not isinstance(width, int):
        return BATCH
    tokens = embed.num_patches + prefix_of(model)
    widest = tokens * 4 * width * 4  # bytes per image, float32
    return max(1, min(BATCH, int(_CACHE_BYTES / widest)))


@torch.no_grad()
def classes(model: nn.Module, inputs: Tensor) -> Tensor:
    """Predicted class of each normalised image [N,3,S,S]: int64 [N]."""
    parts = inputs.split(batch_size_for(model))
    return torch.cat([model(part).argmax(-1) for part in parts])  # [N]


def rank_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Rank of the label among the classes, 0 for top-1: [...,B,K] and [B] to [...,B].

    Ties and NaN scores count against the label.
    """
    index = labels.expand(logits.shape[:-1])[..., None]  # [...,B,1]
    own = logits.gather(-1, index)  # [...,B,1]
    return (~(logits < own)).sum(-1) - 1


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted classes, their probabilities, and P's attention weights.

    classes: int64 [2,N], of P and of Q. certainty: probabilities of these classes, float [2,N]. If
    the models output features, 0 for all, and the cosine to P's features. alpha: P's attention
    weight of each patch, float [N,patches] (MaskAQ Eq. 4).
    """

    classes: Tensor
    certainty: Tensor
    alpha: Tensor


@torch.no_grad()
def predict(
    p: nn.Module, q: nn.Module, images: Tensor, prefix: int, classifies: bool = True
) -> Predictions:
    """Run both models on normalised images [N,3,S,S].

    Args:
        prefix: number of tokens before the patches. classifies: whether the models output classes,
            and not features.
    """
    classes, certainty, alpha = [], [], []
    for batch in images.split(_PREDICTED):
        with record(p) as maps:
            logits = p(batch)
        both = torch.stack([logits, q(batch)])  # [2,B,K]
        if classifies:
            best = both.softmax(-1).max(-1)  # [2,B] each
            certainty.append(best.values.cpu())
            classes.append(best.indices.cpu())
        else:
            cosine = F.cosine_similarity(both, logits.expand_as(both), dim=-1)  # [2,B]
            certainty.append(cosine.cpu())
            classes.append(torch.zeros(cosine.shape, dtype=torch.long))
        alpha.append(patch_attention(maps, prefix).cpu())
    return Predictions(torch.cat(classes, 1), torch.cat(certainty, 1), torch.cat(alpha))
