"""Masks and their overlap with the true foreground, in numpy alone.

The app calls these while a slider moves, in a process that does not load torch. `mask_of` is the
counterpart of `maskaq.regions.mask.informative_mask`; a test checks that they agree.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskaq.errors import OptionError


class Overlap(NamedTuple):
    """Agreement of a mask with the true foreground: shares in 0..1 and numbers of patches.

    precision: hits / chosen. recall: hits / true. iou: hits / either.
    """

    precision: float
    recall: float
    iou: float
    hits: int
    chosen: int
    true: int
    either: int


def patch_count(n: int, ratio: float) -> int:
    """Number of patches in a mask of this ratio, at least one.

    >>> patch_count(196, 0.1)
    19

    Raises:
        OptionError: no patch, or a ratio that is not above 0 and up to 1.
    """
    if n < 1 or not 0 < ratio <= 1:
        raise OptionError(
            f"mask ratio {ratio!r} of {n!r} patches; allowed: a ratio above 0 and up to 1, and at "
            "least 1 patch."
        )
    return max(1, int(n * ratio))


def mask_of(alpha: NDArray[np.floating], ratio: float) -> NDArray[np.bool_]:
    """The patches of largest attention (MaskAQ Eq. 11): [...,N] -> bool [...,N].

    Of patches with equal attention the first ones are chosen, so that the mask is deterministic.

    >>> mask_of(np.array([0.1, 0.4, 0.2, 0.3]), 0.5).tolist()
    [False, True, False, True]
    """
    count = patch_count(alpha.shape[-1], ratio)
    order = np.argsort(-alpha, axis=-1, kind="stable")  # [...,N]
    mask = np.zeros(alpha.shape, dtype=bool)
    np.put_along_axis(mask, order[..., :count], True, axis=-1)
    return mask


def overlap(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> Overlap:
    """Compare a mask with the true foreground, [N] each. A ratio with denominator 0 is 0.

    >>> overlap(np.array([True, True, False]), np.array([True, False, True])).iou
    0.3333333333333333
    """
    hits, either = int((mask & truth).sum()), int((mask | truth).sum())
    chosen, true = int(mask.sum()), int(truth.sum())
    return Overlap(
        hits / max(1, chosen),
        hits / max(1, true),
        hits / max(1, either),
        hits,
        chosen,
        true,
        either,
    )


def foreground_patches(foreground: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Patches with at least half of their pixels foreground: [...,S,S] -> [...,N], row by row.

    Raises:
        OptionError: the grid does not divide the image.
    """
    *front, height, width = foreground.shape
    rows, columns = grid
    if height % rows or width % columns:
        raise OptionError(
            f"a grid of {rows} x {columns} patches does not divide an image of {height} x {width} "
            "pixels."
        )
    cut = foreground.reshape(*front, rows, height // rows, columns, width // columns)
    share: NDArray[np.floating] = cut.mean(axis=(-3, -1))  # [...,rows,columns]
    return (share >= 0.5).reshape(*front, rows * columns)


def inside_outside(
    p: NDArray[np.floating], q: NDArray[np.floating], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Mean absolute difference inside and outside the mask, per image: [...,N] -> [...].

    NaN if there is no patch.
    """
    difference = np.abs(np.asarray(p, np.float64) - q)  # [...,N]
    means = []
    for part in (mask, ~mask):
        count = part.sum(-1)  # [...]
        total = np.where(part, difference, 0).sum(-1)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    return means[0], means[1]
