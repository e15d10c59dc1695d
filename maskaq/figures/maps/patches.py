"""The patches of a map or an image: a cross on the chosen one, and places for clicks."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures import pictures
from maskaq.figures.chart import Chart
from maskaq.figures.maps import outline
from maskaq.figures.style import VERMILLION, targets

_MOST = 3_000  # clickable patches of a figure; more of them would make the browser slow
_SMALL = 6  # pixels, so that the nearest patch gets the click
_REACH = 40  # pixels from the middle of a patch within which a click counts


def cross(
    patch: int | None, grid: tuple[int, int], side: float = 1.0, axis: str = ""
) -> list[dict[str, Any]]:
    """Layout shapes of a cross on a patch; none for None.

    side: width of a patch in pixels. axis: see `pictures.axis`.
    """
    if patch is None:
        return []
    row, column = divmod(patch, grid[1])
    left, right = (side * (column + end) - 0.5 for end in (0.2, 0.8))
    top, bottom = (side * (row + end) - 0.5 for end in (0.2, 0.8))
    line = f"M{left:g},{top:g}L{right:g},{bottom:g}M{left:g},{bottom:g}L{right:g},{top:g}"
    return outline.shapes(line, VERMILLION, "solid", axis)


def clickable(
    figure: go.Figure,
    grid: tuple[int, int],
    words: Sequence[str],
    *,
    side: float = 1.0,
    axes: Sequence[str] = ("",),
) -> None:
    """Let a click on a patch return its number, unless there are too many patches.

    Args:
        words: text at each patch of each map while the pointer is over it [A * N].
        side: width of a patch in pixels. axes: of the maps, see `pictures.axis` [A].
    """
    rows, columns = np.divmod(np.arange(grid[0] * grid[1]), grid[1])
    if len(axes) * rows.size > _MOST:
        return
    middle = (side - 1) / 2  # pixel centres have integer coordinates
    for number, axis in enumerate(axes):
        targets(
            figure,
            (side * columns + middle).tolist(),
            (side * rows + middle).tolist(),
            list(range(rows.size)),
            words[number * rows.size : (number + 1) * rows.size],
            size=_SMALL,
            xaxis=f"x{axis}",
            yaxis=f"y{axis}",
        )
    figure.update_layout(hoverdistance=_REACH)


def names(grid: tuple[int, int]) -> list[str]:
    """A name for every patch, such as `patch 9: row 1, column 1`, counted from 0."""
    return [
        f"patch {row * grid[1] + column}: row {row}, column {column}"
        for row in range(grid[0])
        for column in range(grid[1])
    ]


def picture(
    image: NDArray[np.uint8], grid: tuple[int, int], patch: int | None, title: str, height: int
) -> Chart:
    """One image, uint8 [3,S,S], with a cross on a patch. A click on a patch returns its number."""
    plain = pictures.picture(image, title, alt=f"{title}, as the model sees it.", name="picture")
    side = image.shape[1] / grid[0]
    clickable(plain.figure, grid, names(grid), side=side)
    pictures.bare(plain.figure)
    plain.figure.update_layout(shapes=cross(patch, grid, side), height=height)
    return plain
