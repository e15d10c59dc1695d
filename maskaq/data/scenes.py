"""`scenes`: Fashion-MNIST garments in cluttered, coloured images with known foreground.

Every scene is a pure function of (split, index, seed), whatever its batch or process.
"""

from collections.abc import Sequence
from functools import cache
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
from maskaq.data.fashion_mnist import garments
from maskaq.errors import DataError, OptionError, unknown

__all__ = ["SIZE", "SPLITS", "Scenes", "compose", "keys", "scenes"]

# Test garments of each split, disjoint; `calibration` is only used by the `real` source.
SPLITS = {"evaluation": range(0, 5000), "calibration": range(5000, 10_000)}

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
    pasted = paste(cut_out(garment), sample_placement(uniform, scale))
    picture = pasted.over(ground)  # [B,3,S,S]
    return Scenes(to_bytes(picture), labels, pasted.covered)
