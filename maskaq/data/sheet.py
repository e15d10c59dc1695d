"""Contact sheets: many small images in one."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_GAP = 2  # pixels between two images


def sheet(images: NDArray[np.uint8]) -> Image.Image:
    """Arrange images in a grid that is at least as wide as high.

    Args:
        images: uint8 [N,3,S,S], N at least 1.

    Returns:
        The grid, with white gaps and empty cells.
    """
    shown = images.transpose(0, 2, 3, 1)  # [N,S,S,3]
    n, high, wide = shown.shape[:3]
    least = math.ceil(math.sqrt(n))
    divisors = [count for count in range(least, 2 * least) if n % count == 0]
    columns = min(divisors, default=least)  # full rows if possible
    rows = math.ceil(n / columns)
    cell = high + _GAP, wide + _GAP
    tiles = np.full((rows * columns, *cell, 3), 255, np.uint8)
    tiles[:n, :high, :wide] = shown
    grid = tiles.reshape(rows, columns, *cell, 3).swapaxes(1, 2)  # [rows,h,columns,w,3]
    whole = grid.reshape(rows * cell[0], columns * cell[1], 3)
    return Image.fromarray(whole[:-_GAP, :-_GAP])
