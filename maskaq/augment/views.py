"""Random views of the images, so that they show their class from every side of the model's eye.

Without them, optimised images hold patterns that work at one place and scale only (MaskAQ and
others before it use SimCLR's views, Chen et al. 2020, section 3). Every view of `crops` is a
separable resampling: `rows @ image @ columns^T`, where both matrices hold the shift, the flip, the
crop and the bilinear interpolation at once. That is exact at the wrapped border and costs two small
matrix products per image.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from maskaq.registry import Registry

__all__ = ["AUGMENTATIONS", "resampling"]

Augmentation = Callable[[Tensor, int, int, torch.Generator], Tensor]
AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")

BASE = 224  # pixels the published shifts and crops refer to; other sizes scale
SHIFT = 16  # largest circular shift of `crops`
SMALLEST_CROP = 140  # side of its smallest crop
EASY = 0.25  # share of the steps of `easy-to-hard` that show whole images
HARDEST_CROP = 0.3  # side of its last crops, share of the image's
NOISE = 0.1  # standard deviation of its pixel noise, in normalised units


def resampling(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Matrices that stretch a stretch of a circular axis to its full length, bilinearly.

    Args:
        start: [B], where the stretch begins, in pixels, any real number.
        length: [B], its length, negative to run backwards from `start`.
        size: pixels of the axis, before and after.

    Returns:
        [B,size,size], rows (new pixels) sum to 1 over columns (old pixels).

    >>> resampling(torch.tensor([1.0]), torch.tensor([3.0]), 3).tolist()  # shift by one
    [[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]]
    """
    centre = (torch.arange(size, device=start.device) + 0.5) / size  # [S]
    place = start[:, None] + length[:, None] * centre - 0.5  # [B,S]
    below = place.floor()
    above = place - below  # weight of the upper neighbour
    index = below.long() % size
    matrix = torch.zeros(len(start), size, size, device=start.device)
    matrix.scatter_add_(2, index[..., None], 1 - above[..., None])
    matrix.scatter_add_(2, (index + 1)[..., None] % size, above[..., None])
    return matrix


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform in -1..1."""
    return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1


@AUGMENTATIONS.register("crops")
def _crops(images: Tensor, step: int, total: int, generator: torch.Generator) -> Tensor:
    """Per image: circular shift, flip, square crop back to full size, pixel noise."""
    count, _, size, _ = images.shape
    draw = _uniform((6, count), generator)
    smallest = SMALLEST_CROP / BASE
    side = size * (smallest + (1 - smallest) * (draw[0] + 1) / 2)  # [B]
    room = (size - side) / 2
    top = room * (1 + draw[1]) + (SHIFT * size / BASE * draw[2]).round()
    left = room * (1 + draw[5]) + (SHIFT * size / BASE * draw[3]).round()
    flipped = draw[4] < 0
    rows = resampling(top, side, size)  # [B,S,S]
    columns = resampling(
        torch.where(flipped, left + side, left), torch.where(flipped, -side, side), size
    )
    seen = rows[:, None] @ images @ columns.mT[:, None]  # [B,3,S,S]
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return seen + NOISE * noise


@AUGMENTATIONS.register("easy-to-hard")
def _easy_to_hard(images: Tensor, step: int, total: int, generator: torch.Generator) -> Tensor:
    """Whole images first, then ever smaller crops back to full size; half of them flipped.

    The first quarter of the steps shows whole images; from there the side of the crops falls
    linearly to 0.3 of the image's at the last step. Their place is random.
    """
    count, _, size, _ = images.shape
    draw = torch.rand((3, count), generator=generator, device=generator.device)
    side = size * (1 - (1 - HARDEST_CROP) * _difficulty(step, total))
    top, left = (size - side) * draw[0], (size - side) * draw[1]  # [B]
    flipped = draw[2] < 0.5
    length = torch.full_like(top, side)  # [B]
    rows = resampling(top, length, size)  # [B,S,S]
    columns = resampling(
        torch.where(flipped, left + side, left), torch.where(flipped, -length, length), size
    )
    return rows[:, None] @ images @ columns.mT[:, None]  # [B,3,S,S]


def _difficulty(step: int, total: int) -> float:
    """0 for the easy first steps, 1 at the last one."""
    easy = EASY * total
    return max(0.0, (step - easy) / max(1.0, total - 1 - easy))


@AUGMENTATIONS.register("released")
def _released(images: Tensor, step: int, total: int, generator: torch.Generator) -> Tensor:
    """As in MaskAQ's code: one circular shift for all, then colour shifts per image and channel.

    The shift is up to 8 pixels of 224 in the first half of the steps, 16 in the second. The first
    colour shift shrinks to nothing with the remaining steps; the second, with a random contrast
    of 1/e to e, stays.
    """
    count, channels, size, _ = images.shape
    reach = (SHIFT if 2 * step >= total else SHIFT // 2) * size / BASE
    down, across = (reach * _uniform((2,), generator)).round().long().tolist()
    shape = (count, channels, 1, 1)
    colour = torch.randn(shape, generator=generator, device=images.device)
    images = images.roll((down, across), (2, 3)) + 0.5 * (1 - step / total) * colour
    return (images - _uniform(shape, generator)) / _uniform(shape, generator).exp()


@AUGMENTATIONS.register("none")
def _none(images: Tensor, step: int, total: int, generator: torch.Generator) -> Tensor:
    """The images as they are."""
    return images
