"""How well a map over the patches finds the object: its mask and its weights against the truth.

MaskAQ claims that the semantics are in the patches to which the class token attends most. Where the
true foreground is known this can be tested: for the attention of every block and head, for random
maps, and for a prior that only assumes that objects are near the middle of the image.
"""

import numpy as np
from numpy.typing import NDArray

from maskaq.regions.numpy_masks import mask_of

Floats = NDArray[np.floating]
MASKED = ("precision", "recall", "iou")  # measures of a mask, which need a ratio
MEASURES = (*MASKED, "pointing", "share")
_STD = 0.25  # of the centre prior, as a share of the side of the image


def mask_quality(maps: Floats, truth: NDArray[np.bool_], ratio: float) -> dict[str, Floats]:
    """Precision, recall and IoU of the patches with the largest weights, per image.

    Args:
        maps: weights [...,n,N].
        truth: foreground patches [n,N].
        ratio: share of patches in the mask.

    Returns:
        [...,n] each, in 0..1, NaN for images without a foreground patch.

    Raises:
        OptionError: the ratio is not above 0 and at most 1.

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
    """Pointing game and share of weight on the foreground, per image.

    pointing: 1 if the patch with the largest weight is foreground (pointing game, Zhang et al.
    2016, without their tolerance); the first one counts if there are several. share: share of the
    positive weight that is on the foreground.

    Args:
        maps: weights [...,n,N].
        truth: foreground patches [n,N].

    Returns:
        [...,n] each, NaN for images without a foreground patch.

    >>> found = weight_quality(np.array([[0.5, 0.3, 0.2]]), np.array([[True, False, True]]))
    >>> {name: value.tolist() for name, value in found.items()}
    {'pointing': [1.0], 'share': [0.7]}
    """
    valid = np.where(truth.any(-1), 1.0, np.nan)  # [n]
    largest = maps.argmax(-1)  # [...,n]
    images = np.arange(truth.shape[0])
    weights = np.clip(np.asarray(maps, np.float64), 0, None)  # [...,n,N]
    total = weights.sum(-1)  # [...,n]
    inside = np.where(truth, weights, 0).sum(-1)  # [...,n]
    share = np.divide(inside, total, out=np.zeros_like(total), where=total > 0)
    return {"pointing": truth[images, largest] * valid, "share": share * valid}


def centre_prior(grid: tuple[int, int]) -> NDArray[np.float64]:
    """A Gaussian at the centre, its standard deviation a quarter of the side: [N], sums to 1."""
    rows, columns = ((np.arange(side) + 0.5) / side - 0.5 for side in grid)
    squares = rows[:, None] ** 2 + columns[None, :] ** 2  # [rows,columns]
    weights = np.exp(-squares / (2 * _STD**2)).reshape(-1)  # [N]
    prior: NDArray[np.float64] = weights / weights.sum()
    return prior
