"""Does a map over the patches find the object? Its mask and its weights against the foreground.

MaskAQ claims that semantics sit in the patches to which the class token attends most. Where the
true foreground is known that can be tested: for attention in every block and head, for random maps,
and for a prior that knows no more than that objects stand near the middle of a picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskaq.regions.numpy_masks import mask_of

__all__ = ["MASKED", "MEASURES", "centre_prior", "mask_quality", "weight_quality"]

Floats = NDArray[np.floating]
MASKED = ("precision", "recall", "iou")  # of a mask, which needs a ratio
MEASURES = (*MASKED, "pointing", "share")
_SPREAD = 0.25  # of the centre prior, as a share of the picture's side


def mask_quality(maps: Floats, truth: NDArray[np.bool_], ratio: float) -> dict[str, Floats]:
    """Precision, recall and IoU of the patches with the largest weights, per image.

    Args:
        maps: weights [...,n,N]. truth: foreground patches [n,N]. ratio: share of patches in a mask.

    Returns:
        [...,n] each, in 0..1, NaN for images without a foreground patch.

    Raises:
        OptionError: a ratio outside 0..1.

    >>> found = mask_quality(np.array([[0.5, 0.3, 0.2]]), np.array([[True, False, True]]), 0.67)
    >>> {name: value.tolist() for name, value in found.items()}
    {'precision': [0.5], 'recall': [0.5], 'iou': [0.3333333333333333]}
    """
    mask = mask_of(maps, ratio)  # [...,n,N]
    hits = (mask & truth).sum(-1)  # [...,n]
    true = truth.sum(-1).astype(np.float64)  # [n]
    true[true == 0] = np.nan
    chosen = mask.sum(-1) + 0 * true  # [...,n]
    return {
        "precision": hits / chosen,
        "recall": hits / true,
        "iou": hits / (chosen + true - hits),
    }


def weight_quality(maps: Floats, truth: NDArray[np.bool_]) -> dict[str, Floats]:
    """Of maps [...,n,N] with truth [n,N], per image [...,n], NaN without a foreground patch.

    pointing: 1 where the patch of largest weight is foreground (pointing game, Zhang et al. 2016,
    without their tolerance); of equal ones the first counts. share: of the positive weight that
    lies on the foreground; weights below 0 count as 0.

    >>> found = weight_quality(np.array([[0.5, 0.3, 0.2]]), np.array([[True, False, True]]))
    >>> {name: value.tolist() for name, value in found.items()}
    {'pointing': [1.0], 'share': [0.7]}
    """
    there = np.where(truth.any(-1), 1.0, np.nan)  # [n]
    largest = maps.argmax(-1)  # [...,n]
    images = np.arange(truth.shape[0])
    weights = np.clip(np.asarray(maps, np.float64), 0, None)  # [...,n,N]
    total = weights.sum(-1)  # [...,n]
    inside = np.where(truth, weights, 0).sum(-1)
    share = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    return {"pointing": truth[images, largest] * there, "share": share * there}


def centre_prior(grid: tuple[int, int]) -> NDArray[np.float64]:
    """A normal distribution around the middle, a quarter of the side wide: [N], sums to 1."""
    rows, columns = ((np.arange(side) + 0.5) / side - 0.5 for side in grid)
    squares = rows[:, None] ** 2 + columns[None, :] ** 2  # [rows,columns]
    weights = np.exp(-squares / (2 * _SPREAD**2)).reshape(-1)  # [N]
    total: NDArray[np.float64] = weights / weights.sum()
    return total
