"""Small pictures on one sheet."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP = 2  # pixels between two pictures


def sheet(images: NDArray[np.uint8]) -> Image.Image:
    """Lay pictures out in a grid that is as wide as high, or wider.

    Args:
        images: uint8 [N,3,S,S], N at least 1.

    Returns:
        The grid with white gaps; empty places are white too.
    """
    shown = images.transpose(0, 2, 3, 1)  # [N,S,S,3]
    n, side = shown.shape[:2]
    least = math.ceil(math.sqrt(n))
    fitting = [count for count in range(least, 2 * least) if n % count == 0]
    columns = min(fitting, default=least)  # full rows where possible
    rows = math.ceil(n / columns)
    tiles = np.full((rows * columns, side + _GAP, side + _GAP, 3), 255, np.uint8)
    tiles[:n, :side, :side] = shown
    grid = tiles.reshape(rows, columns, side + _GAP, side + _GAP, 3).swapaxes(1, 2)
    whole = grid.reshape(rows * (side + _GAP), columns * (side + _GAP), 3)
    return Image.fromarray(whole[:-_GAP, :-_GAP])
