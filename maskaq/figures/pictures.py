"""Pictures as figures, and how they came about as an animation."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from PIL import Image

from maskaq.figures.style import finish

_SIDE = 320  # pixels on the screen
# An axis without ticks, whose pixels can be squares.
BARE = {
    "showticklabels": False,
    "showgrid": False,
    "zeroline": False,
    "ticks": "",
    "constrain": "domain",
}


def frame(image: NDArray[np.uint8]) -> pd.DataFrame:
    """Columns row, column, red, green and blue, one row per pixel of an image [3,S,S]."""
    rows, columns = np.indices(image.shape[1:])
    colours = dict(zip(("red", "green", "blue"), image.reshape(3, -1), strict=True))
    return pd.DataFrame({"row": rows.ravel(), "column": columns.ravel(), **colours})


def picture(image: NDArray[np.uint8], title: str) -> go.Figure:
    """One image, uint8 [3,S,S], its pixels visible as squares."""
    figure = go.Figure(trace(image))
    bare(figure)
    return finish(figure, title, _SIDE + 80)


def describe(table: pd.DataFrame) -> str:
    """What a picture's numbers say, in one sentence; what it shows only its page knows."""
    side = int(table["row"].max()) + 1
    mean = table[["red", "green", "blue"]].mean()
    strongest = "grey" if np.ptp(mean) < 8 else str(mean.idxmax())
    return (
        f"A picture of {side} x {side} pixels, mean brightness {mean.mean():.0f} of 255, "
        f"on average {strongest}."
    )


def trace(image: NDArray[np.uint8]) -> go.Image:
    """The image as a trace; pixel centres at whole numbers from 0."""
    return go.Image(source=data_uri(image), hovertemplate="column %{x}, row %{y}<extra></extra>")


def data_uri(image: NDArray[np.uint8]) -> str:
    """The image, uint8 [3,S,S], as a PNG inside an address."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def bare(figure: go.Figure) -> None:
    """No ticks, square pixels, first row on top: for pictures and maps of patches."""
    # All axes at once, each replaced: plotly takes milliseconds for every single update.
    layout = {}
    for axis in figure.select_xaxes():
        layout[axis.plotly_name] = axis.to_plotly_json() | BARE
    for axis in figure.select_yaxes():
        square = {"scaleanchor": axis.anchor or "x", "autorange": "reversed"}
        layout[axis.plotly_name] = axis.to_plotly_json() | BARE | square
    figure.update_layout(layout, overwrite=True)


def animation(
    frames: Sequence[NDArray[np.uint8]],
    kind: Literal["webp", "gif"],
    milliseconds: int = 250,
) -> bytes:
    """Frames, uint8 [H,W,3] each and of one size, as a file that plays for ever.

    The last frame stays four times as long, since it is what the others lead to.
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
