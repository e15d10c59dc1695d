"""The outline of a set of patches, on top of an image or a map.

A coloured line on a wider white line is visible on any background. The dash distinguishes two
outlines without colour.
"""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray


def path(mask: NDArray[np.bool_], grid: tuple[int, int], patch: float = 1.0) -> str:
    """The outline of a mask [N] as an SVG path.

    patch: width of a patch in pixels. Pixel centres have integer coordinates, from 0.

    >>> path(np.array([True]), (1, 1))
    'M-0.5,-0.5L0.5,-0.5M-0.5,0.5L0.5,0.5M-0.5,-0.5L-0.5,0.5M0.5,-0.5L0.5,0.5'
    """
    padded = np.pad(mask.reshape(grid), 1)  # [rows + 2,columns + 2]
    # A side belongs to the outline where the patches on its two sides differ.
    across = zip(*np.nonzero(padded[1:, 1:-1] != padded[:-1, 1:-1]), strict=True)
    down = zip(*np.nonzero(padded[1:-1, 1:] != padded[1:-1, :-1]), strict=True)
    sides = [((column, row), (column + 1, row)) for row, column in across]
    sides += [((column, row), (column, row + 1)) for row, column in down]
    parts = []
    for (x0, y0), (x1, y1) in sides:
        ends = [f"{end * patch - 0.5:g}" for end in (x0, y0, x1, y1)]
        parts.append(f"M{ends[0]},{ends[1]}L{ends[2]},{ends[3]}")
    return "".join(parts)


def shapes(
    line: str, colour: str, dash: str, axis: str = "", *, width: float = 2.5
) -> list[dict[str, Any]]:
    """Layout shapes of an outline from `path`. axis: see `pictures.axis`. width: in pixels."""
    if not line:
        return []
    place = {"type": "path", "path": line, "xref": f"x{axis}", "yref": f"y{axis}"}
    return [
        place | {"line": {"color": "white", "width": 2 * width}},
        place | {"line": {"color": colour, "width": width, "dash": dash}},
    ]


def key(name: str, colour: str, dash: str) -> go.Scatter:
    """An empty trace that adds an outline to the legend."""
    line = {"color": colour, "width": 2.5, "dash": dash}
    return go.Scatter(x=[None], y=[None], mode="lines", name=name, line=line, showlegend=True)
