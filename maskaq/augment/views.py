"""Random views of the images during synthesis.

Without them, the images are optimised into patterns that work at one place and scale only. MaskAQ
and earlier methods use SimCLR's views (Chen et al. 2020, section 3). A view of `crops` is a
separable resampling, `rows @ image @ columns^T`, whose two matrices combine shift, flip, crop and
bilinear interpolation. That is exact at the wrapped border and costs two small matrix products per
image.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from maskaq.registry import Registry
from maskaq.tasks.base import Cut


class Augmented(NamedTuple):
    """Views of images, and which part of each one they show; None is the whole image.

    images: [B,3,H,W].
    """

    images: Tensor
    cut: Cut | None = None


Augmentation = Callable[[Tensor, int, int, torch.Generator], Augmented]
AUGMENTATIONS: Registry[Augmentation] = Registry("augmentation")

BASE = 224  # side in pixels that the published shifts and crops refer to; others are scaled
SHIFT = 16  # largest circular shift of `crops`
SMALLEST_CROP = 140  # side of its smallest crop
EASY = 0.25  # share of the steps of `easy-to-hard` that show whole images
HARDEST_CROP = 0.3  # side of its last crops, as a share of the image's
NOISE = 0.1  # standard deviation of the pixel noise of `crops`, in normalised units


def resampling(start: Tensor, length: Tensor, size: int) -> Tensor:
    """Matrices that scale a range of a circular axis to its full length, with linear interpolation.

    Args:
        start: [B], where the range begins, in pixels, any real number.
        length: [B], its length; negative for a range that runs backwards from `start`.
        size: pixels of the axis, before and after.

    Returns:
        [B,size,size]; each row (a new pixel) sums to 1 over the columns (old pixels).

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


def _show(images: Tensor, cut: Cut) -> Tensor:
    """A part of each image, resized to the full image: [B,3,H,W] -> [B,3,H,W]."""
    height, width = cut.sides
    rows = resampling(cut.top, cut.high, height)  # [B,H,H]
    columns = resampling(
        torch.where(cut.flipped, cut.left + cut.wide, cut.left),
        torch.where(cut.flipped, -cut.wide, cut.wide),
        width,
    )  # [B,W,W]
    return rows[:, None] @ images @ columns.mT[:, None]  # [B,3,H,W]


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Uniform random values in -1..1."""
    return torch.rand(shape, generator=generator, device=generator.device) * 2 - 1


@AUGMENTATIONS.register("crops")
def _crops(images: Tensor, step: int, total: int, generator: torch.Generator) -> Augmented:
    """Per image: circular shift, flip, crop resized to the full image, pixel noise."""
    count, _, height, width = images.shape
    random = _uniform((6, count), generator)
    smallest = SMALLEST_CROP / BASE
    share = smallest + (1 - smallest) * (random[0] + 1) / 2  # [B]
    high, wide = height * share, width * share
    top = (height - high) / 2 * (1 + random[1]) + (SHIFT * height / BASE * random[2]).round()
    left = (width - wide) / 2 * (1 + random[5]) + (SHIFT * width / BASE * random[3]).round()
    cut = Cut(top, left, high, wide, random[4] < 0, (height, width))
    noise = torch.randn(images.shape, generator=generator, device=images.device)
    return Augmented(_show(images, cut) + NOISE * noise, cut)


@AUGMENTATIONS.register("easy-to-hard")
def _easy_to_hard(images: Tensor, step: int, total: int, generator: torch.Generator) -> Augmented:
    """Whole images first, then smaller and smaller crops resized to full size; half are flipped.

    The first quarter of the steps uses whole images; from there the side of the crops, at random
    positions, decreases linearly to 0.3 of the image's side at the last step.
    """
    count, _, height, width = images.shape
    random = torch.rand((3, count), generator=generator, device=generator.device)
    easy = EASY * total
    difficulty = max(0.0, (step - easy) / max(1.0, total - 1 - easy))  # 0 to 1
    share = 1 - (1 - HARDEST_CROP) * difficulty
    high, wide = height * share, width * share
    top, left = (height - high) * random[0], (width - wide) * random[1]  # [B]
    sides = torch.full_like(top, high), torch.full_like(left, wide)  # [B] each
    cut = Cut(top, left, *sides, random[2] < 0.5, (height, width))
    return Augmented(_show(images, cut), cut)


@AUGMENTATIONS.register("released")
def _released(images: Tensor, step: int, total: int, generator: torch.Generator) -> Augmented:
    """As in MaskAQ's code: one circular shift for all, then colour shifts per image and channel.

    The shift is up to 8 pixels of 224 in the first half of the steps, 16 in the second. The first
    colour shift decreases to 0 at the last step; the second, with a random contrast of 1/e to e,
    does not decrease.
    """
    count, channels, height, width = images.shape
    sides = torch.tensor([height, width])
    reach = (SHIFT if 2 * step >= total else SHIFT // 2) / BASE * sides  # [2]
    moves = reach.to(generator.device) * _uniform((2,), generator)
    down, across = moves.round().long().tolist()
    shape = (count, channels, 1, 1)
    colour = torch.randn(shape, generator=generator, device=images.device)
    rolled = images.roll((down, across), (2, 3)) + 0.5 * (1 - step / total) * colour
    one = torch.ones(count, device=images.device)  # [B]
    corner, size = (-down * one, -across * one), (height * one, width * one)
    cut = Cut(*corner, *size, torch.zeros_like(one, dtype=torch.bool), (height, width))
    shown = (rolled - _uniform(shape, generator)) / _uniform(shape, generator).exp()
    return Augmented(shown, cut)


@AUGMENTATIONS.register("none")
def _none(images: Tensor, step: int, total: int, generator: torch.Generator) -> Augmented:
    """The images unchanged."""
    return Augmented(images)
