"""Scenes with one to four garments, for segmentation and detection.

As in `scenes`, every scene is a pure function of (split, index, seed). Garments lie on top of each
other; one that would hide more than half of another is moved, and left out if no place is found, so
that every garment in the truth can be seen.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from maskaq.data.drawing import (
    SIZE,
    Uniform,
    cut_out,
    draw_ground,
    keys,
    paste,
    sample_placement,
    to_bytes,
)
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import SPLITS, check_indices, garments_of

MOST = 4  # garments
BACKGROUND = len(CLASS_NAMES)  # class of all pixels without a garment
ABSENT = -1  # label of a garment that a scene does not have

_TRIES = 6  # places for a garment
_VISIBLE = 0.5  # of a garment, at least
_SCALE = (0.4, 0.7)  # side of a garment's square, as a share of the image
_BATCH = 200  # scenes composed together

Garments = tuple[Tensor, Tensor]


class GroupScenes(NamedTuple):
    """A batch of scenes.

    images: uint8 [B,3,64,64]. classes: int64 [B,64,64], garment class 0..9 of each pixel or
    `BACKGROUND`. labels: int64 [B,4], class of each garment from bottom to top, or `ABSENT`.
    boxes: float [B,4,4], left, top, right and bottom of each garment's visible part in pixels, 0
    where it is absent.
    """

    images: Tensor
    classes: Tensor
    labels: Tensor
    boxes: Tensor


def group_scenes(split: str, indices: Sequence[int], seed: int = 0) -> GroupScenes:
    """Scenes of a bundled split.

    Args:
        split: `"evaluation"` or `"calibration"`; they share no garment.
        indices: of the scenes, 0..4999.
        seed: another seed gives other scenes.

    Raises:
        OptionError: unknown split.
        DataError: an index outside the split.
    """
    check_indices(split, indices)
    pool = garments_of(torch.tensor(list(SPLITS[split])))
    chosen = torch.tensor(list(indices), dtype=torch.long)
    parts = [
        compose_group(pool, keys(f"group {split}", part.numpy(), seed))
        for part in chosen.split(_BATCH)
    ]
    return GroupScenes(*(torch.cat(values) for values in zip(*parts, strict=True)))


def compose_group(
    pool: Garments,
    keys: np.ndarray,
    *,
    scale: tuple[float, float] = _SCALE,
    clutter: float = 1.0,
) -> GroupScenes:
    """Scenes of random garments.

    Args:
        pool: garments to choose from, uint8 [N,28,28], and their classes, int64 [N].
        keys: uint64 [B], see `drawing.keys`.
        scale, clutter: as in `scenes.compose`.
    """
    uniform = Uniform(keys)
    picture = draw_ground(uniform, clutter)  # [B,3,S,S]
    count = 1 + (uniform(1) * MOST).long()[:, 0]  # [B], garments that are asked for
    batch = len(keys)
    top = torch.full((batch, SIZE, SIZE), ABSENT)  # [B,S,S], number of the topmost garment
    area = torch.ones(batch, MOST)  # pixels of each garment, if nothing hid it
    labels = torch.full((batch, MOST), ABSENT)
    for number in range(MOST):
        choice = (uniform(1) * len(pool[0])).long()[:, 0]  # [B]
        garment, classes = cut_out(pool[0][choice]), pool[1][choice]
        waiting = count > number  # [B]: still to be placed
        for _ in range(_TRIES):
            place = sample_placement(
                uniform, scale
            )  # of all scenes, so that none depends on others
            rows = waiting.nonzero()[:, 0]  # [R]
            pasted = paste(garment[rows], place.at(rows))
            fits = _all_visible(top[rows], pasted.covered, area[rows])  # [R]
            pasted, rows = pasted.at(fits), rows[fits]
            covered = pasted.covered  # [R,S,S]
            top[rows] = torch.where(covered, number, top[rows])
            area[rows, number] = covered.sum((1, 2)).float()
            labels[rows, number] = classes[rows]
            picture[rows] = pasted.over(picture[rows])
            waiting[rows] = False
    visible = torch.stack([top == number for number in range(MOST)], 1)  # [B,4,S,S]
    names = torch.cat([labels, torch.full((batch, 1), BACKGROUND)], 1)  # [B,5], the last for -1
    classes = names.gather(1, top.flatten(1) % (MOST + 1)).view_as(top)  # [B,S,S]
    return GroupScenes(to_bytes(picture), classes, labels, _boxes(visible))


def _all_visible(top: Tensor, covered: Tensor, area: Tensor) -> Tensor:
    """Whether enough of each garment [B,4] stays visible under a new one [B,S,S]: [B]."""
    left = torch.stack([((top == i) & ~covered).sum((1, 2)) for i in range(MOST)], 1)  # [B,4]
    present = torch.stack([(top == i).any(2).any(1) for i in range(MOST)], 1)  # [B,4]
    return (~present | (left >= _VISIBLE * area)).all(1)


def _boxes(visible: Tensor) -> Tensor:
    """Left, top, right and bottom of masks [B,4,S,S]: [B,4,4], 0 for an empty one."""
    columns, rows = visible.any(2), visible.any(3)  # [B,4,S] each

    def ends(line: Tensor) -> tuple[Tensor, Tensor]:
        first, last = line.int().argmax(2), SIZE - line.flip(2).int().argmax(2)  # [B,4] each
        return first, last

    (left, right), (top, bottom) = ends(columns), ends(rows)
    boxes = torch.stack([left, top, right, bottom], 2).float()  # [B,4,4]
    return boxes * columns.any(2)[..., None]
