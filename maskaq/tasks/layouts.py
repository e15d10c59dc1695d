"""Random layouts of objects, as targets for synthetic images of dense tasks.

What a data-free method can know about the pictures that P was trained on is little: there are a few
objects of different classes and sizes, some in front of others. So a layout is one to four
rectangles at random places. For segmentation they are rounded to ellipses and drawn on top of each
other. The layouts of synthetic images of other work are not public; these are ours.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

MOST = 4  # objects
_SIZES = (0.25, 0.65)  # of an object, as a share of each side of the image
_MARGIN = 0.08  # between objects and the border, more than views shift (`augment.views.SHIFT`)


class Layout(NamedTuple):
    """Objects, from back to front.

    classes: int64 [N,4], -1 for objects that an image does not have. boxes: float [N,4,4], left,
    top, right and bottom as shares of the sides.
    """

    classes: Tensor
    boxes: Tensor


def shuffled_rounds(count: int, classes: int, seed: int) -> Tensor:
    """All classes in random order, then all in another random order, etc.: int64 [count]."""
    generator = torch.Generator().manual_seed(seed)
    rounds = [torch.randperm(classes, generator=generator) for _ in range(-(-count // classes))]
    return torch.cat(rounds)[:count]


def sample_layouts(count: int, classes: int, seed: int) -> Layout:
    """Layouts for `count` images of objects of `classes` classes, each class equally often.

    The first ones are the same for any `count`.
    """
    chosen = shuffled_rounds(count * MOST, classes, seed).view(count, MOST)  # [N,4]
    generator = torch.Generator().manual_seed(seed + 1)
    random = torch.rand(count, 1 + 4 * MOST, generator=generator)  # [N,17]
    number = 1 + (random[:, :1] * MOST).long()  # [N,1]
    size, place = random[:, 1:].view(count, 2, MOST, 2).unbind(1)  # [N,4,2] each
    size = _SIZES[0] + (_SIZES[1] - _SIZES[0]) * size
    low = _MARGIN + (1 - 2 * _MARGIN - size) * place  # [N,4,2]
    absent = torch.arange(MOST) >= number  # [N,4]
    return Layout(chosen.masked_fill(absent, -1), torch.cat([low, low + size], -1))  # [N,4,4]


def painted(layout: Layout, sides: tuple[int, int], ground: Tensor) -> Tensor:
    """Class maps int64 [N,H,W] with an ellipse in each box, on a ground of one class [N]."""
    places = [(torch.arange(side) + 0.5) / side for side in sides]  # [H], [W]
    maps = ground[:, None, None].repeat(1, *sides)  # [N,H,W]
    for classes, boxes in zip(layout.classes.unbind(1), layout.boxes.unbind(1), strict=True):
        left, top, right, bottom = boxes.unbind(1)  # [N] each
        y = _offset(places[0], top, bottom)  # [N,H]
        x = _offset(places[1], left, right)  # [N,W]
        inside = y.square()[:, :, None] + x.square()[:, None] < 1  # [N,H,W]
        present = (classes >= 0)[:, None, None]  # [N,1,1]
        maps = torch.where(inside & present, classes[:, None, None], maps)
    return maps


def _offset(places: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Places [P] from the middle of ranges [N], in half lengths: [N,P]."""
    middle, half = (low + high) / 2, (high - low) / 2  # [N] each
    return (places - middle[:, None]) / half[:, None]
