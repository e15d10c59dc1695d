"""Which patches decide an answer, by seven methods: attention and gradients (captum) side by side.

Each method gives a weight to every patch; larger ones speak for the class. Attention knows no
class. Gradients go straight through the rounding of Q (its quantizers are straight-through
estimators), so for Q they are those of a smoothed model, and Integrated Gradients does not sum to
the difference of Q's outputs exactly: `completeness` says by how much it fails.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from captum.attr import (
    IntegratedGradients,
    LayerGradientXActivation,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

from maskaq.models.attention import record
from maskaq.regions.mask import patch_attention
from maskaq.registry import Registry

__all__ = ["ATTRIBUTIONS", "AttributionTask", "completeness", "rank_correlation", "rollout"]

STEPS = 32  # of the path of Integrated Gradients
_AT_ONCE = 16  # altered pictures in one pass


class AttributionTask(NamedTuple):
    """What is explained. model: P or Q. images: normalised [B,3,S,S]. targets: classes, int64 [B].
    grid: rows and columns of patches. prefix: tokens before them."""

    model: nn.Module
    images: Tensor
    targets: Tensor
    grid: tuple[int, int]
    prefix: int


Attribution = Callable[[AttributionTask], Tensor]
ATTRIBUTIONS: Registry[Attribution] = Registry("attribution")


@ATTRIBUTIONS.register("attention")
@torch.no_grad()
def _attention(task: AttributionTask) -> Tensor:
    """What the class token pays, mean over blocks and heads (MaskAQ Eq. 4): [B,N]."""
    with record(task.model) as maps:
        task.model(task.images)
    return patch_attention(maps, task.prefix)


@ATTRIBUTIONS.register("rollout")
@torch.no_grad()
def _rollout(task: AttributionTask) -> Tensor:
    """Attention rollout: [B,N]."""
    with record(task.model) as maps:
        task.model(task.images)
    whole = rollout([block.probs for block in maps])  # [B,T,T]
    row = whole[:, 0] if task.prefix else whole.mean(1)  # [B,T]
    return row[:, task.prefix :]  # [B,N]


def rollout(probs: list[Tensor]) -> Tensor:
    """How much of each token arrives at each other one through all blocks: [B,T,T].

    The product over blocks of (A + 1) / 2, A the mean over heads (Abnar and Zuidema 2020).

    Args:
        probs: attention of each block [B,H,T,T], first block first.
    """
    together = torch.eye(probs[0].shape[-1], device=probs[0].device).expand_as(probs[0][:, 0])
    unit = together
    for block in probs:
        together = (block.mean(1) + unit) / 2 @ together  # [B,T,T]
    return together


@ATTRIBUTIONS.register("saliency")
def _saliency(task: AttributionTask) -> Tensor:
    """Size of the gradient of the class's logit (Simonyan et al. 2014): [B,N]."""
    images = task.images.clone().requires_grad_()  # captum would set it on the caller's
    found: Tensor = Saliency(task.model).attribute(images, target=task.targets)
    return _by_patch(found, task)


@ATTRIBUTIONS.register("integrated gradients")
def _integrated(task: AttributionTask) -> Tensor:
    """Integrated Gradients from a grey picture (Sundararajan et al. 2017): [B,N]."""
    return _by_patch(integrated(task), task)


def integrated(task: AttributionTask, steps: int = STEPS) -> Tensor:
    """Integrated Gradients of every value [B,3,S,S], from normalised 0."""
    made: Tensor = IntegratedGradients(task.model).attribute(
        task.images,
        target=task.targets,
        n_steps=steps,
        internal_batch_size=max(_AT_ONCE, len(task.images)),
    )
    return made


@ATTRIBUTIONS.register("occlusion")
@torch.no_grad()
def _occlusion(task: AttributionTask) -> Tensor:
    """How much the class's logit falls when a patch turns grey (Zeiler and Fergus 2014): [B,N]."""
    rows, columns = task.grid
    height, width = (task.images.shape[2] // rows, task.images.shape[3] // columns)
    found: Tensor = Occlusion(task.model).attribute(
        task.images,
        sliding_window_shapes=(task.images.shape[1], height, width),
        strides=(task.images.shape[1], height, width),
        target=task.targets,
        perturbations_per_eval=max(1, _AT_ONCE // len(task.images)),
    )
    # One number for every pixel of a patch.
    return found[:, 0, ::height, ::width].flatten(1).float()  # [B,N]


@ATTRIBUTIONS.register("first block")
def _first_block(task: AttributionTask) -> Tensor:
    """Gradient times activation of the tokens that leave the first block: [B,N]."""
    return _of_block(task, 0)


@ATTRIBUTIONS.register("middle block")
def _middle_block(task: AttributionTask) -> Tensor:
    """The same of the tokens that leave the middle block."""
    return _of_block(task, len(_blocks(task.model)) // 2)


def _of_block(task: AttributionTask, number: int) -> Tensor:
    layer = LayerGradientXActivation(task.model, _blocks(task.model)[number])
    inputs = task.images.clone().requires_grad_()
    found: Tensor = layer.attribute(inputs, target=task.targets)  # [B,T,C]
    weights: Tensor = found[:, task.prefix :].sum(-1)  # [B,N]
    return weights.detach()


def _blocks(model: nn.Module) -> list[nn.Module]:
    return list(model.get_submodule("blocks").children())


def _by_patch(found: Tensor, task: AttributionTask) -> Tensor:
    """The sum over the values of each patch: [B,3,S,S] to [B,N]."""
    rows, columns = task.grid
    parts = found.detach().sum(1).unflatten(1, (rows, -1)).unflatten(3, (columns, -1))
    sums: Tensor = parts.sum((2, 4)).flatten(1)  # [B,rows,h,columns,w] to [B,N]
    return sums


def completeness(task: AttributionTask, steps: int = STEPS) -> Tensor:
    """By how much Integrated Gradients fails to sum to the difference of the outputs, [B].

    As a share of that difference; 0 is exact (Sundararajan et al. 2017, Axiom 3).
    """
    sums = integrated(task, steps).flatten(1).sum(1)  # [B]
    with torch.no_grad():
        ends = [task.model(x) for x in (task.images, torch.zeros_like(task.images))]
        target = task.targets[:, None]
        apart = (ends[0].gather(1, target) - ends[1].gather(1, target))[:, 0]  # [B]
    gap: Tensor = (sums - apart).abs() / apart.abs()
    return gap


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation over the patches, ties getting their mean rank: [B,N] to [B].

    Not a number where one of the two maps is constant.
    """
    from scipy.stats import rankdata

    ranks = [torch.from_numpy(rankdata(x.cpu().numpy(), axis=1)) for x in (first, second)]  # [B,N]
    a, b = (x - x.mean(1, keepdim=True) for x in ranks)
    product: Tensor = (a * b).sum(1)  # [B]
    return product / (a.square().sum(1) * b.square().sum(1)).sqrt()
