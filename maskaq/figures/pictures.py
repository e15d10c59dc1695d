"""Images as figures and as animations, and layouts of many small maps."""

import base64
import io
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from maskaq.figures.chart import Chart
from maskaq.figures.style import finish

_SIDE = 320  # pixels on the screen
# An axis without ticks that allows square pixels.
BARE = {
    "showticklabels": False,
    "showgrid": False,
    "zeroline": False,
    "ticks": "",
    "constrain": "domain",
}


def frame(image: NDArray[np.uint8]) -> pd.DataFrame:
    """One row per pixel of an image [3,S,S]: row, column, red, green and blue."""
    rows, columns = np.indices(image.shape[1:])
    colours = dict(zip(("red", "green", "blue"), image.reshape(3, -1), strict=True))
    return pd.DataFrame({"row": rows.ravel(), "column": columns.ravel(), **colours})


def picture(image: NDArray[np.uint8], title: str, *, alt: str, name: str) -> Chart:
    """One image, uint8 [3,S,S], with sharp pixels."""
    figure = go.Figure(trace(image))
    bare(figure)
    return Chart(finish(figure, title, _SIDE + 80), frame(image), alt, name)


def trace(image: NDArray[np.uint8]) -> go.Image:
    """The image as a trace; pixel centres have integer coordinates, from 0."""
    return go.Image(source=data_uri(image), hovertemplate="column %{x}, row %{y}<extra></extra>")


def data_uri(image: NDArray[np.uint8]) -> str:
    """The image, uint8 [3,S,S], as a PNG data URI."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def bare(figure: go.Figure) -> None:
    """Remove ticks, make pixels square and put row 0 at the top, for images and patch maps."""
    # Replace all axes in one update: each update takes plotly milliseconds.
    layout = {}
    for axis in figure.select_xaxes():
        layout[axis.plotly_name] = axis.to_plotly_json() | BARE
    for axis in figure.select_yaxes():
        square = {"scaleanchor": axis.anchor or "x", "autorange": "reversed"}
        layout[axis.plotly_name] = axis.to_plotly_json() | BARE | square
    figure.update_layout(layout, overwrite=True)


def tiles(names: Sequence[str], wide: int, gap: tuple[float, float]) -> dict[str, Any]:
    """Layout of square maps in rows of `wide`, each with a title.

    Ten times as fast as plotly's subplots, so that sliders stay responsive.

    Args:
        names: titles; the n-th map uses the axes `axis(n)`.
        gap: space between columns and between rows, as shares of the figure.
    """
    high = math.ceil(len(names) / wide)
    width, height = (1 - gap[0] * (wide - 1)) / wide, (1 - gap[1] * (high - 1)) / high
    layout: dict[str, Any] = {"annotations": []}
    for number, name in enumerate(names):
        row, column = divmod(number, wide)
        left, top = column * (width + gap[0]), 1 - row * (height + gap[1])
        one = axis(number)
        layout[f"xaxis{one}"] = BARE | {"anchor": f"y{one}", "domain": [left, left + width]}
        layout[f"yaxis{one}"] = BARE | {
            "anchor": f"x{one}",
            "domain": [max(0, top - height), top],
            "scaleanchor": f"x{one}",
            "autorange": "reversed",
        }
        above = {"x": left + width / 2, "y": top, "xanchor": "center", "yanchor": "bottom"}
        paper = {"xref": "paper", "yref": "paper", "showarrow": False, "font": {"size": 13}}
        layout["annotations"].append({"text": name} | above | paper)
    return layout


def axis(number: int) -> str:
    """Plotly's suffix of `x` and `y` for the axes of the n-th map, from 0."""
    return str(number + 1) if number else ""


def animation(
    frames: Sequence[NDArray[np.uint8]],
    kind: Literal["webp", "gif"],
    milliseconds: int = 250,
) -> bytes:
    """Frames, uint8 [H,W,3] each, as an animation that loops forever.

    The last frame is shown four times as long as the others.

    Raises:
        ValueError: no frame was given.
    """
    if not frames:
        raise ValueError("an animation needs at least one frame.")
    pictures = [Image.fromarray(np.ascontiguousarray(frame)) for frame in frames]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        kind.upper(),
        save_all=True,
        append_images=pictures[1:],
        duration=[milliseconds] * (len(frames) - 1) + [4 * milliseconds],
        loop=0,
        **({"quality": 85} if kind == "webp" else {"optimize": True}),
    )
    return buffer.getvalue()
