"""What scenes are composed of: random numbers, backgrounds, and garments in their places.

All random numbers of a scene come from a hash of its key, so that a scene does not depend on its
batch or process. Everything is vectorised over a batch; the only loop is over the few clutter
shapes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIZE = 64  # pixels, height and width

_SHAPES = 9  # clutter shapes per scene
_GRID = 4  # cells per side of the coarse colour field behind them
_GRAIN = 16  # cells per side of the fine texture


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


class Placement(NamedTuple):
    """Where a garment goes, and its colour.

    side: of its square, as a share of the image, [B,1]. centre: x and y in -1..1, [B,2]. flip: -1
    where it is mirrored, else 1, [B,1]. tint: [B,3].
    """

    side: Tensor
    centre: Tensor
    flip: Tensor
    tint: Tensor

    def at(self, rows: Tensor) -> Placement:
        """The placements with these indices."""
        return Placement(*(values[rows] for values in self))


def sample_placement(uniform: Uniform, scale: tuple[float, float]) -> Placement:
    """A random placement. scale: smallest and largest side."""
    side = uniform(1, low=scale[0], high=scale[1])  # [B,1]
    centre = (uniform(2) - 0.5) * 2 * (1 - side)  # [B,2]; the square stays inside
    flip = torch.where(uniform(1) < 0.5, -1.0, 1.0)  # [B,1]
    return Placement(side, centre, flip, uniform(3, low=0.55, high=1.0))


class Pasted(NamedTuple):
    """A garment in its place.

    value: brightness, [B,1,S,S] in 0..1. matte: opacity, likewise. tint: colour, [B,3,1,1].
    """

    value: Tensor
    matte: Tensor
    tint: Tensor

    @property
    def covered(self) -> Tensor:
        """The pixels of the garment, bool [B,S,S]."""
        return self.matte[:, 0] > 0.5

    def at(self, rows: Tensor) -> Pasted:
        """The garments with these indices, or where a mask is True."""
        return Pasted(*(values[rows] for values in self))

    def over(self, ground: Tensor) -> Tensor:
        """The garment on top of a picture [B,3,S,S]."""
        return ground * (1 - self.matte) + self.tint * (0.2 + 0.8 * self.value) * self.matte


def cut_out(garment: Tensor) -> Tensor:
    """Brightness and opacity in 0..1 of garments uint8 [B,28,28]: [B,2,28,28]."""
    value = garment.float()[:, None] / 255  # [B,1,28,28]
    matte = _close((value > 0.04).float())  # [B,1,28,28]
    return torch.cat([value, matte], 1)  # [B,2,28,28]


def paste(garment: Tensor, place: Placement) -> Pasted:
    """Put garments [B,2,28,28], cut out, in their places."""
    axis = _axis()
    x, y = place.centre[:, :1], place.centre[:, 1:]  # [B,1] each
    grid = torch.stack(  # [B,S,S,2]: coordinates of each pixel in the garment's square
        [
            (place.flip * (axis - x) / place.side)[:, None].expand(-1, SIZE, -1),
            ((axis - y) / place.side)[:, :, None].expand(-1, -1, SIZE),
        ],
        -1,
    )
    placed = F.grid_sample(garment, grid, align_corners=False, padding_mode="zeros")  # [B,2,S,S]
    return Pasted(placed[:, :1], placed[:, 1:].clamp(0, 1), place.tint[..., None, None])


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
