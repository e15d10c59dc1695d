"""How well P and Q do on the same labelled images, and how often they agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from maskaq.events import Event
from maskaq.intervals import Interval, wilson

BATCH = 50  # images, at most
_NEAR = 32e6  # bytes of the widest activation that a processor still keeps near


@dataclass(frozen=True)
class Evaluation:
    """What evaluation found, each share with its 95 % interval and the number of images.

    top1, top5: per model, in the order given. agreement: share of images on which both models
    name the same class; it needs no labels. answers: the class each names, int64 [2,N]. ranks: how
    many classes each puts above the label, int64 [2,N].
    """

    top1: tuple[Interval, Interval]
    top5: tuple[Interval, Interval]
    agreement: Interval
    answers: Tensor
    ranks: Tensor


@torch.no_grad()
def evaluate(
    p: nn.Module,
    q: nn.Module,
    images: Tensor,
    labels: Tensor,
    normalise: Callable[[Tensor], Tensor],
    known: Evaluation | None = None,
) -> Iterator[Event | Evaluation]:
    """Run both models over the same images, in float32; events, then the verdict.

    Args:
        images: uint8 [N,3,S,S], kept so until their batch is due. labels: int64 [N].
        normalise: uint8 [B,3,S,S] to what the models take, on their device.
        known: a verdict on the same P and images; P's answers are taken from it.
    """
    models = (p, q) if known is None else (q,)
    ranks: list[Tensor] = []
    answers: list[Tensor] = []
    size = batch_size_for(p)
    batches = list(zip(images.split(size), labels.split(size), strict=True))
    for done, (batch, wanted) in enumerate(batches, start=1):
        inputs = normalise(batch)
        logits = torch.stack([model(inputs) for model in models]).cpu()  # [M,B,K]
        ranks.append(rank_of(logits, wanted))  # [M,B]
        answers.append(logits.argmax(2))  # [M,B]
        yield Event("evaluation", done, len(batches))
    rank, named = torch.cat(ranks, 1), torch.cat(answers, 1)  # [M,N] each
    if known is not None:
        rank = torch.cat([known.ranks[:1], rank])  # [2,N]
        named = torch.cat([known.answers[:1], named])  # [2,N]
    count = rank.shape[1]
    same = int((named[0] == named[1]).sum())
    top1, top5 = (
        tuple(wilson(int(hits), count) for hits in (rank < most).sum(1)) for most in (1, 5)
    )
    yield Evaluation((top1[0], top1[1]), (top5[0], top5[1]), wilson(same, count), named, rank)


def batch_size_for(model: nn.Module) -> int:
    """How many images go through a model in one pass: fewer of large ones in large models.

    The widest activation is that of the first layer of an MLP, four times as wide as its tokens.
    """
    if not isinstance(model, VisionTransformer):
        return BATCH
    tokens = model.patch_embed.num_patches + model.num_prefix_tokens
    widest = tokens * 4 * model.embed_dim * 4  # bytes of an image, float32
    return max(1, min(BATCH, int(_NEAR / widest)))


@torch.no_grad()
def classes(model: nn.Module, inputs: Tensor) -> Tensor:
    """The class that a model gives each normalised image [N,3,S,S]: int64 [N]."""
    return torch.cat(
        [model(part).argmax(-1) for part in inputs.split(batch_size_for(model))]
    )  # [N]


def rank_of(logits: Tensor, labels: Tensor) -> Tensor:
    """How many classes score above the label: 0 is top-1. [...,B,K], [B] to [...,B].

    A tie counts against the label, and so does a score that is not a number.
    """
    index = labels.expand(logits.shape[:-1])[..., None]  # [...,B,1]
    own = logits.gather(-1, index)  # [...,B,1]
    return (~(logits < own)).sum(-1) - 1
