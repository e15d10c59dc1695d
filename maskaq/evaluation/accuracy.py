"""P and Q on the same evaluation images, and their predictions on synthetic images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskaq.events import Event
from maskaq.models.attention import record
from maskaq.models.backbone import prefix_of
from maskaq.regions.mask import patch_attention
from maskaq.tasks.base import Evaluation, Judge, Task

BATCH = 50  # images per batch, at most
_PREDICTED = 64  # images per batch, with recorded attention
_CACHE_BYTES = 32e6  # size of the widest activation that still fits a processor's cache


@torch.no_grad()
def evaluate(
    p: nn.Module,
    q: nn.Module,
    images: Tensor,
    truth: Tensor,
    normalise: Callable[[Tensor], Tensor],
    judge: Judge,
) -> Iterator[Event | Evaluation]:
    """Run both models on the same images; yields events, then the `Evaluation`.

    Args:
        images: uint8 [N,3,S,S], converted batch by batch. truth: [N,..], see `tasks.base.Task`.
        normalise: maps uint8 [B,3,S,S] to the models' input, on their device.
        judge: of their task.
    """
    models = (p, q) if judge.needs_p else (q,)
    size = batch_size_for(p)
    batches = list(zip(images.split(size), truth.split(size), strict=True))
    for done, (batch, target) in enumerate(batches, start=1):
        inputs = normalise(batch)
        judge.add(torch.stack([model(inputs) for model in models]).cpu(), target)  # [M,B,..]
        yield Event("evaluation", done, len(batches))
    yield judge.evaluation()


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


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted classes, their probabilities, and P's attention weights.

    classes: int64 [2,N], of P and of Q, and certainty: float [2,N], as `tasks.base.Summary`. alpha:
    P's attention weight of each patch, float [N,patches] (MaskAQ Eq. 4).
    """

    classes: Tensor
    certainty: Tensor
    alpha: Tensor


@torch.no_grad()
def predict(p: nn.Module, q: nn.Module, images: Tensor, prefix: int, task: Task) -> Predictions:
    """Run both models on normalised images [N,3,S,S].

    Args:
        prefix: number of tokens before the patches. task: what the models are for.
    """
    classes, certainty, alpha = [], [], []
    for batch in images.split(_PREDICTED):
        with record(p) as maps:
            outputs = p(batch)  # [B,..]
        found = task.summary(outputs, torch.stack([outputs, q(batch)]))
        classes.append(found.classes.cpu())  # [2,B]
        certainty.append(found.certainty.cpu())  # [2,B]
        alpha.append(patch_attention(maps, prefix).cpu())
    return Predictions(torch.cat(classes, 1), torch.cat(certainty, 1), torch.cat(alpha))
