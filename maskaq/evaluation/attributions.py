"""Attribution: which patches decide an answer, by seven methods based on attention or gradients.

Each method gives every patch a weight; larger weights are evidence for the class. Attention does
not depend on the class. The gradient-based methods are captum's. Gradients pass unchanged through
the rounding in Q (its quantizers are straight-through estimators), so for Q they are those of a
smoothed model, and Integrated Gradients does not sum exactly to the difference of Q's outputs:
`completeness` measures the error.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from captum.attr import (
    IntegratedGradients,
    LayerGradientXActivation,
    Occlusion,
    Saliency,
)
from torch import Tensor, nn

from maskaq.models.attention import Maps, record
from maskaq.models.backbone import windows_of
from maskaq.models.structure import structure_of
from maskaq.regions.mask import patch_attention, resize
from maskaq.registry import Registry

STEPS = 32  # on the path of Integrated Gradients
WITHOUT_CLASS = ("attention", "rollout")  # methods that do not depend on the class
_BATCH = 16  # perturbed images per forward pass


class AttributionTask(NamedTuple):
    """The model, images and classes to explain.

    model: P or Q. images: normalised [B,3,S,S]. targets: classes, int64 [B]. grid: rows and columns
    of patches. prefix: number of tokens before the patches.
    """

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
    """Attention of the class token, mean over blocks and heads (MaskAQ Eq. 4): [B,N]."""
    with record(task.model) as maps:
        task.model(task.images)
    return patch_attention(maps, task.prefix)


@ATTRIBUTIONS.register("rollout")
@torch.no_grad()
def _rollout(task: AttributionTask) -> Tensor:
    """Attention rollout: [B,N]."""
    with record(task.model) as maps:
        task.model(task.images)
    if maps[0].windows is not None:
        return window_rollout(maps, task.grid)
    total = rollout([block.probs for block in maps])  # [B,T,T]
    row = total[:, 0] if task.prefix else total.mean(1)  # [B,T]
    return row[:, task.prefix :]  # [B,N]


def rollout(probs: list[Tensor]) -> Tensor:
    """How much each token contributes to each other token after all blocks: [B,T,T].

    The product over blocks of (A + 1) / 2, A the mean over heads (Abnar and Zuidema 2020).

    Args:
        probs: attention of each block [B,H,T,T], first block first.
    """
    size, device = probs[0].shape[-1], probs[0].device
    identity = torch.eye(size, device=device).expand_as(probs[0][:, 0])  # [B,T,T]
    product = identity
    for block in probs:
        product = (block.mean(1) + identity) / 2 @ product  # [B,T,T]
    return product


def window_rollout(maps: Sequence[Maps], grid: tuple[int, int]) -> Tensor:
    """How much each patch contributes to the last tokens, if attention is in windows: [B,N].

    As `rollout`; where patches are merged, a token has the mean contributions of its parts.
    """
    patches, last = grid[0] * grid[1], grid
    product = torch.eye(patches)[None]  # [1,N,N], contributions of the patches to each token
    for block in maps:
        own = block.windows
        assert own is not None, "the caller knows"
        if own.grid != last:
            merged = resize(product.mT.flatten(0, 1), last, own.grid)  # [B*N,M]
            product, last = merged.unflatten(0, (-1, patches)).mT, own.grid  # [B,M,N]
        weights = block.probs.float().mean(1)  # [B*W,T,T]
        slots, tokens = own.slots(), weights.shape[-1]
        batch = len(weights) // own.count
        inside = product.new_zeros(batch, own.count * tokens, patches)
        inside[:, slots] = product.expand(batch, -1, -1)
        mixed = weights @ inside.view(-1, tokens, patches)  # [B*W,T,N]
        passed = mixed.view(batch, -1, patches)[:, slots]  # [B,M,N]
        product = (passed + product) / 2
    return product.mean(1)  # [B,N]


@ATTRIBUTIONS.register("saliency")
def _saliency(task: AttributionTask) -> Tensor:
    """Absolute gradient of the class's logit (Simonyan et al. 2014): [B,N]."""
    images = task.images.clone().requires_grad_()  # else captum sets it on the caller's tensor
    found: Tensor = Saliency(task.model).attribute(images, target=task.targets)
    return _by_patch(found, task)


@ATTRIBUTIONS.register("integrated gradients")
def _integrated(task: AttributionTask) -> Tensor:
    """Integrated Gradients from a grey image (Sundararajan et al. 2017): [B,N]."""
    return _by_patch(integrated(task), task)


def integrated(task: AttributionTask, steps: int = STEPS) -> Tensor:
    """Integrated Gradients of every input value, [B,3,S,S], from an input of zeros."""
    found: Tensor = IntegratedGradients(task.model).attribute(
        task.images,
        target=task.targets,
        n_steps=steps,
        internal_batch_size=max(_BATCH, len(task.images)),
    )
    return found


@ATTRIBUTIONS.register("occlusion")
@torch.no_grad()
def _occlusion(task: AttributionTask) -> Tensor:
    """Drop of the class's logit when a patch turns grey (Zeiler and Fergus 2014): [B,N]."""
    rows, columns = task.grid
    height, width = task.images.shape[2] // rows, task.images.shape[3] // columns
    found: Tensor = Occlusion(task.model).attribute(
        task.images,
        sliding_window_shapes=(task.images.shape[1], height, width),
        strides=(task.images.shape[1], height, width),
        target=task.targets,
        perturbations_per_eval=max(1, _BATCH // len(task.images)),
    )
    # All pixels of a patch hold the same number.
    return found[:, 0, ::height, ::width].flatten(1).float()  # [B,N]


@ATTRIBUTIONS.register("first block")
def _first_block(task: AttributionTask) -> Tensor:
    """Gradient times activation of the output tokens of the first block: [B,N]."""
    return _of_block(task, 0)


@ATTRIBUTIONS.register("middle block")
def _middle_block(task: AttributionTask) -> Tensor:
    """Gradient times activation of the output tokens of the middle block: [B,N]."""
    return _of_block(task, len(windows_of(task.model)) // 2)


def _of_block(task: AttributionTask, number: int) -> Tensor:
    names = [name.rpartition(".")[0] for name in structure_of(task.model).attention]
    block = task.model.get_submodule(names[number])
    inputs = task.images.clone().requires_grad_()
    found: Tensor = LayerGradientXActivation(task.model, block).attribute(
        inputs, target=task.targets
    )
    tokens = found.detach().flatten(1, -2)  # [B,T,C]; blocks of Swin return [B,rows,columns,C]
    weights = tokens[:, task.prefix :].sum(-1)  # [B,M]
    windows = windows_of(task.model)[number]
    return weights if windows is None else resize(weights, windows.grid, task.grid)  # [B,N]


def _by_patch(found: Tensor, task: AttributionTask) -> Tensor:
    """Sum over the values of each patch: [B,3,S,S] to [B,N]."""
    rows, columns = task.grid
    tiles = found.detach().sum(1).unflatten(1, (rows, -1)).unflatten(3, (columns, -1))
    sums: Tensor = tiles.sum((2, 4)).flatten(1)  # [B,rows,h,columns,w] to [B,N]
    return sums


def completeness(task: AttributionTask, steps: int = STEPS) -> Tensor:
    """Relative error of the completeness axiom of Integrated Gradients, [B].

    The attributions should sum to the difference of the logits of the image and of the baseline
    (Sundararajan et al. 2017, Axiom 3). The error is a share of that difference; 0 is exact.
    """
    sums = integrated(task, steps).flatten(1).sum(1)  # [B]
    with torch.no_grad():
        ends = [task.model(x) for x in (task.images, torch.zeros_like(task.images))]
        target = task.targets[:, None]
        difference = (ends[0].gather(1, target) - ends[1].gather(1, target))[:, 0]  # [B]
    error: Tensor = (sums - difference).abs() / difference.abs()
    return error


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's rank correlation over the patches, ties at their mean rank: [B,N] to [B].

    NaN where one of the two maps is constant.
    """
    from scipy.stats import rankdata

    ranks = [torch.from_numpy(rankdata(x.cpu().numpy(), axis=1)) for x in (first, second)]  # [B,N]
    a, b = (x - x.mean(1, keepdim=True) for x in ranks)
    product: Tensor = (a * b).sum(1)  # [B]
    return product / (a.square().sum(1) * b.square().sum(1)).sqrt()
