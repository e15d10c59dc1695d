"""The informative region: the patches with the largest attention of P.

MaskAQ (Qian et al. 2026) keeps the k patches of largest attention weight alpha (Eq. 4 and 11),
anneals k from 50 % to 10 % of the patches, and drops a random part of them in each step (Eq. 13)
so that the images do not depend on a fixed set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.models.attention import Maps, windows_in


def class_attention(probs: Tensor, prefix: int) -> Tensor:
    """Attention of the class token, token 0, to each patch: [B,H,T,T] -> [B,H,N].

    In a model without a class token (prefix 0), the mean over all patches.
    """
    return probs[:, :, 0, prefix:] if prefix else probs.mean(2)  # [B,H,N]


def attention_to_patches(block: Maps, prefix: int, reading: str = "paper") -> Tensor:
    """Attention to each patch in one block, by head: [B,H,N].

    `class_attention` if attention is between all tokens, or the mean over all patches if the head
    reads them, as in segmentation and detection. In windows, where there is no class token,
    the mean over the queries of the patch's window, divided by the number of windows. The weights
    of an image then add up to 1, or to less if windows reach beyond it.
    """
    full = block.probs if reading == "paper" else block.logits
    if block.windows is None and block.reads_patches:
        return full[:, :, prefix:, prefix:].mean(2)  # [B,H,N]
    if block.windows is None:
        return class_attention(full, prefix)
    return block.windows.undo(full.mean(2)) / block.windows.count  # [B,H,N]


def attention_of_query(
    block: Maps, prefix: int, query: int | None, grid: tuple[int, int]
) -> Tensor:
    """Attention of one query to every patch, by head, in the first image: [H,N].

    Args:
        query: a patch of `grid`, the finest one; None for `attention_to_patches`. In windows a
            patch attends to those of its window only; the others get 0. At coarser resolutions
            the patches of a token share its weight equally.
    """
    own = block.windows
    if query is None:
        rows = attention_to_patches(block, prefix)[0]  # [H,M]
    elif own is None:
        return block.probs[0, :, prefix + query, prefix:]  # [H,N]
    else:
        window, place = own.position(int(own.tokens_at(grid)[query]))
        alone = torch.zeros_like(block.probs[: own.count, :, 0])  # [W,H,T]
        alone[window] = block.probs[window, :, place]
        rows = own.undo(alone)[0]  # [H,M]
    if own is None:
        return rows
    fine = resize(rows, own.grid, grid)  # [H,N]
    return fine * (rows.shape[-1] / fine.shape[-1])


def patch_attention(maps: Sequence[Maps], prefix: int, reading: str = "paper") -> Tensor:
    """Attention weight alpha of each patch: [B,N], without gradient.

    The mean over blocks and heads of `attention_to_patches`. If the blocks have several
    resolutions, the mean over the blocks of each one is brought to the finest grid, and then the
    mean over the resolutions is taken.

    Args:
        maps: one per block, tensors [B,H,T,T].
        prefix: number of tokens before the patches, T - N.
        reading: `"paper"` averages probabilities, `"released"` logits, as MaskAQ's code does.
    """
    weights = [
        attention_to_patches(block, prefix, reading).detach().float().mean(1)  # [B,N]
        for block in maps
    ]
    if windows := windows_in(maps):
        finest, patches = windows[0].grid, weights[0].shape[-1]
        weights = [
            resize(one, own.grid, finest) * (one.shape[-1] / patches)  # [B,N]
            for one, own in zip(weights, windows, strict=True)
        ]
    return mean_over_stages(weights, maps)


def resize(values: Tensor, grid: tuple[int, int], other: tuple[int, int]) -> Tensor:
    """Values on one grid at another resolution: [B,N] -> [B,M].

    A finer grid repeats values, a coarser one averages them.
    """
    plane = values.unflatten(-1, grid)[:, None]  # [B,1,rows,columns]
    if other[0] < grid[0]:
        return F.adaptive_avg_pool2d(plane, other).flatten(1)  # [B,M]
    return F.interpolate(plane, other).flatten(1)  # [B,M]


def mean_over_stages(values: Sequence[Tensor], maps: Sequence[Maps]) -> Tensor:
    """Mean of one value per block, [..] each: over the blocks of each stage, then over the stages.

    Blocks without windows are all of one stage.
    """
    stages: dict[int, list[Tensor]] = {}
    for value, block in zip(values, maps, strict=True):
        stage = 0 if block.windows is None else block.windows.stage
        stages.setdefault(stage, []).append(value)
    means = [sum(own[1:], own[0]) / len(own) for own in stages.values()]
    return sum(means[1:], means[0]) / len(means)


def informative_mask(alpha: Tensor, ratio: float) -> Tensor:
    """The patches of largest attention: bool [B,N], true for max(1, int(N * ratio)) per image.

    >>> informative_mask(torch.tensor([[0.1, 0.4, 0.2, 0.3]]), 0.5).tolist()
    [[False, True, False, True]]
    """
    count = max(1, int(alpha.shape[-1] * ratio))
    chosen = alpha.topk(count, dim=-1).indices  # [B,k]
    return torch.zeros_like(alpha, dtype=torch.bool).scatter(-1, chosen, True)  # [B,N]


def ratio_at(step: int, total: int, start: float, end: float) -> float:
    """Mask ratio at a step, counted from 0: linear from `start` to `end` at step `total`.

    >>> ratio_at(0, 2000, 0.5, 0.1), round(ratio_at(1000, 2000, 0.5, 0.1), 9)
    (0.5, 0.3)
    """
    done = step / total
    return start * (1 - done) + end * done


def random_drop(
    mask: Tensor, drop: float, generator: torch.Generator, reading: str = "paper"
) -> Tensor:
    """Keep a random part of each image's mask: bool [B,N] -> bool [B,N] (MaskAQ Eq. 13).

    Of k patches, max(1, floor(k * (1 - drop))) are kept, all sets of that size equally likely.
    `"released"` rounds instead of taking the floor.
    """
    share = 1 - drop
    kept = [
        max(1, round(k * share) if reading == "released" else math.floor(k * share + 1e-9))
        for k in mask.sum(-1).tolist()
    ]
    random = torch.rand(mask.shape, generator=generator, device=mask.device)
    rank = random.masked_fill(~mask, -1).argsort(-1, descending=True).argsort(-1)  # [B,N]
    keep = torch.tensor(kept, device=mask.device)[:, None]  # [B,1]
    return (rank < keep) & mask
