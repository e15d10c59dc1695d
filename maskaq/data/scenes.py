"""`scenes`: Fashion-MNIST garments in cluttered, coloured images with known foreground.

Every scene is a pure function of (split, index, seed): all its random numbers come from a hash of
these, so a scene does not depend on its batch or process. Composition is vectorised over the batch;
the only loop is over the few clutter shapes.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from maskaq.data.fashion_mnist import garments
from maskaq.errors import DataError, OptionError, unknown

SIZE = 64  # pixels, height and width
# Test garments of each split, disjoint; `calibration` is only used by the `real` source.
SPLITS = {"evaluation": range(0, 5000), "calibration": range(5000, 10_000)}

_SHAPES = 9  # clutter shapes per scene
_GRID = 4  # cells per side of the coarse colour field behind them
_GRAIN = 16  # cells per side of the fine texture
_BATCH = 200  # scenes composed together


class Scenes(NamedTuple):
    """A batch of scenes.

    images: uint8 [B,3,64,64]. labels: int64 [B], garment class 0..9. foreground: bool [B,64,64],
    True for pixels of the garment.
    """

    images: Tensor
    labels: Tensor
    foreground: Tensor


def scenes(split: str, indices: Sequence[int], seed: int = 0) -> Scenes:
    """Scenes of a bundled split.

    Args:
        split: `"evaluation"` or `"calibration"`, 5 000 garments each.
        indices: positions in the split, 0..4999.
        seed: another seed puts the same garments into other scenes.

    Raises:
        OptionError: unknown split.
        DataError: an index outside the split.
    """
    check_indices(split, indices)
    chosen = torch.tensor([SPLITS[split][index] for index in indices], dtype=torch.long)
    # In batches, because the intermediate planes of thousands of scenes do not fit the cache.
    parts = [
        compose(*garments_of(part), keys(split, part.numpy(), seed))
        for part in chosen.split(_BATCH)
    ]
    return Scenes(*(torch.cat(values) for values in zip(*parts, strict=True)))


def check_indices(split: str, indices: Sequence[int]) -> None:
    """Refuse a split that does not exist, and scenes outside it.

    Raises:
        OptionError: unknown split.
        DataError: an index outside the split.
    """
    if split not in SPLITS:
        raise OptionError(unknown("split", split, SPLITS))
    last = len(SPLITS[split]) - 1
    outside = [index for index in indices if not 0 <= index <= last]
    if outside:
        raise DataError(f"scene {outside[0]} is outside {split}; allowed: 0 to {last}.")


def garments_of(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Images uint8 [B,28,28] and classes int64 [B] of test garments, by number [B]."""
    images, labels = _test_garments()
    return images[chosen], labels[chosen]


@cache
def _test_garments() -> tuple[Tensor, Tensor]:
    return garments("test")


def keys(split: str, indices: np.ndarray, seed: int) -> np.ndarray:
    """One uint64 key [B] per scene, from (split, index, seed)."""
    stream = int.from_bytes(split.encode()[:7].ljust(7, b"\0"), "little")
    start = np.uint64((stream ^ (seed * 0x9E3779B97F4A7C15)) % 2**64)
    return _mix(_mix(np.full(len(indices), start, np.uint64)) + indices.astype(np.uint64))


def _mix(x: np.ndarray) -> np.ndarray:
    """Output function of the SplitMix64 generator (Steele, Lea, Flood 2014): uint64 to uint64."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


class Uniform:
    """Uniform numbers in [low,high), from a hash of (key, position)."""

    def __init__(self, keys: np.ndarray) -> None:
        self._keys, self._position = keys, 0

    def __call__(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        count = int(np.prod(shape))
        positions = np.arange(self._position, self._position + count, dtype=np.uint64)
        self._position += count
        bits = _mix(self._keys[:, None] ^ _mix(positions)[None, :]) >> np.uint64(40)  # [B,count]
        unit = torch.from_numpy(bits.astype(np.float32) / 2**24)
        return unit.reshape(-1, *shape) * (high - low) + low  # [B,*shape]


def compose(
    garment: Tensor,
    labels: Tensor,
    keys: np.ndarray,
    *,
    scale: tuple[float, float] = (0.6, 0.9),
    clutter: float = 1.0,
) -> Scenes:
    """Paste garments onto random backgrounds.

    Args:
        garment: uint8 [B,28,28]. labels: int64 [B]. keys: uint64 [B], see `keys`.
        scale: smallest and largest side of the garment's square, as a share of the image.
        clutter: 0 (plain ground) to 1 (full clutter); training moves from one to the other.
    """
    uniform = Uniform(keys)
    ground = draw_ground(uniform, clutter)  # [B,3,S,S]
    pasted = draw_garment(uniform, garment, scale)
    picture = pasted.over(ground)  # [B,3,S,S]
    return Scenes(to_bytes(picture), labels, pasted.matte[:, 0] > 0.5)


class Pasted(NamedTuple):
    """A garment in its place.

    value: brightness, [B,1,S,S] in 0..1. matte: opacity, likewise. tint: colour, [B,3,1,1].
    """

    value: Tensor
    matte: Tensor
    tint: Tensor

    def over(self, ground: Tensor) -> Tensor:
        """The garment on top of a picture [B,3,S,S]."""
        return ground * (1 - self.matte) + self.tint * (0.2 + 0.8 * self.value) * self.matte


def draw_garment(uniform: Uniform, garment: Tensor, scale: tuple[float, float]) -> Pasted:
    """Place garments [B,28,28] at random, with a random tint. scale: as in `compose`."""
    side = uniform(1, low=scale[0], high=scale[1])  # [B,1]
    centre = (uniform(2) - 0.5) * 2 * (1 - side)  # [B,2], in [-1,1]; the square stays inside
    flip = torch.where(uniform(1) < 0.5, -1.0, 1.0)  # [B,1]
    axis = _axis()
    grid = torch.stack(  # [B,S,S,2]: coordinates of each pixel in the garment's square
        [
            (flip * (axis - centre[:, :1]) / side)[:, None].expand(-1, SIZE, -1),
            ((axis - centre[:, 1:]) / side)[:, :, None].expand(-1, -1, SIZE),
        ],
        -1,
    )
    value = garment.float()[:, None] / 255  # [B,1,28,28]
    matte = _close((value > 0.04).float())  # [B,1,28,28]
    placed = F.grid_sample(  # [B,2,S,S]
        torch.cat([value, matte], 1), grid, align_corners=False, padding_mode="zeros"
    )
    tint = uniform(3, low=0.55, high=1.0)[..., None, None]  # [B,3,1,1]
    return Pasted(placed[:, :1], placed[:, 1:].clamp(0, 1), tint)


def to_bytes(picture: Tensor) -> Tensor:
    """uint8 from a picture in 0..1, of the same shape."""
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


def draw_ground(uniform: Uniform, clutter: float) -> Tensor:
    """Background [B,3,S,S]: a smooth colour field, shapes on top of it, and a fine texture."""
    field = uniform(3, _GRID, _GRID, low=0.05, high=0.7)  # [B,3,4,4]
    flat = field.mean((2, 3), keepdim=True)  # [B,3,1,1]
    ground = _resize(flat + clutter * (field - flat))  # [B,3,S,S]
    axis = _axis()
    colours = [torch.zeros(len(ground), 3)]
    top = torch.zeros(len(ground), SIZE, SIZE, dtype=torch.long)  # [B,S,S], topmost shape, or 0
    for number in range(1, _SHAPES + 1):
        centre, half = uniform(2, low=-1, high=1), uniform(2, low=0.08, high=0.4)  # [B,2] each
        angle, kind = uniform(1, high=np.pi), uniform(1, 1)  # [B,1], [B,1,1]
        colours.append(uniform(3, low=0.0, high=0.85))  # [B,3]
        shown = uniform(1, 1) < 0.85 * clutter  # [B,1,1]
        dx, dy = axis - centre[:, :1], axis - centre[:, 1:]  # [B,S] each
        cos, sin = angle.cos(), angle.sin()  # [B,1] each
        # Rotated coordinates are the sum of a row and a column vector: one pass over the pixels.
        u = (dx * cos / half[:, :1])[:, None] + (dy * sin / half[:, :1])[:, :, None]  # [B,S,S]
        v = (dy * cos / half[:, 1:])[:, :, None] - (dx * sin / half[:, 1:])[:, None]  # [B,S,S]
        reach = torch.where(kind < 0.4, torch.maximum(u.abs(), v.abs()), u.square() + v.square())
        inside = (reach < 1) & shown
        stripes = (kind > 0.75) & ((u * 5).frac().abs() > 0.5)
        top = torch.where(inside & ~stripes, number, top)
    palette = torch.stack(colours, 2)  # [B,3,shapes+1]
    painted = palette.gather(2, top.flatten(1)[:, None].expand(-1, 3, -1))  # [B,3,S*S]
    ground = torch.where(top[:, None] > 0, painted.view_as(ground), ground)  # [B,3,S,S]
    grain = uniform(1, _GRAIN, _GRAIN, low=-0.12, high=0.12)  # [B,1,16,16]
    return ground + clutter * _resize(grain)  # [B,3,S,S]


def _axis() -> Tensor:
    """Pixel centres [S] of an image that spans -1 to 1."""
    return (torch.arange(SIZE) * 2 + 1) / SIZE - 1


def _resize(x: Tensor) -> Tensor:
    return F.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False)  # [B,C,S,S]


def _close(mask: Tensor) -> Tensor:
    """Morphological 3x3 closing of masks [B,1,h,w], so that dark folds belong to the garment."""
    grown = F.max_pool2d(F.pad(mask, (1, 1, 1, 1)), 3, stride=1)  # [B,1,h,w]
    return -F.max_pool2d(F.pad(-grown, (1, 1, 1, 1), value=-1.0), 3, stride=1)  # [B,1,h,w]
