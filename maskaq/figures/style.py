"""Colours and layout that all charts share.

The colours are those of Okabe and Ito (2008), which readers with any colour vision can tell
apart. Backgrounds stay transparent and text colours unset, so that a chart fits a light and a
dark page; no chart says anything by colour alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#8A94A0"
PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
# Scales whose lightness alone tells the order; the second one has its middle in near white.
SEQUENTIAL, DIVERGING = "Cividis", "PuOr"
# Marks that go with the palette, for those who print in grey.
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x")


def mark(number: int) -> dict[str, str]:
    """Colour and symbol of the n-th series; no pair comes twice among the first 49."""
    shift = number // len(PALETTE)
    return {
        "color": PALETTE[number % len(PALETTE)],
        "symbol": _SYMBOLS[(number + shift) % len(_SYMBOLS)],
    }


def whiskers(table: pd.DataFrame) -> dict[str, object]:
    """Error bars from the columns value, low and high; missing bounds draw none."""
    return {
        "array": table["high"] - table["value"],
        "arrayminus": table["value"] - table["low"],
        "thickness": 2,
        "width": 6,
    }


def line(rows: pd.DataFrame, number: int, size: int = 11) -> dict[str, Any]:
    """What `add_scatter` needs for the n-th line over the columns value, low, high and n; all but
    its name, where its points lie, and what hovering says."""
    return {
        "mode": "lines+markers",
        "y": rows["value"],
        "marker": mark(number) | {"size": size},
        "line": {"width": 2},
        "error_y": whiskers(rows),
        "customdata": rows[["low", "high", "n"]],
    }


def level(figure: go.Figure, value: float, text: str) -> None:
    """A dashed line across the figure at a height, and what it stands for."""
    figure.add_hline(
        value,
        line={"color": GREY, "dash": "dash"},
        annotation_text=text,
        annotation_position="top right",
    )


def in_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with value, low and high in %."""
    return rows.assign(**{name: 100 * rows[name] for name in ("value", "low", "high")})


def called(model: str) -> str:
    """P, or Q with its bits.

    >>> called("P"), called("W4A4")
    ('P', 'Q W4A4')
    """
    return "P" if model == "P" else f"Q {model}"


def heat(
    values: NDArray[np.float32],
    across: Sequence[object],
    down: Sequence[object],
    unit: str,
    **how: Any,
) -> go.Heatmap:
    """A map of cells that also hold words: values [rows,columns], `down` by `across`.

    unit: title of the colour bar. how: what else `go.Heatmap` takes, such as the words.
    """
    bar = {"title": {"text": unit, "side": "right"}, "thickness": 12}
    usual = {"xgap": 1, "ygap": 1, "colorscale": SEQUENTIAL}
    return go.Heatmap(z=values, x=across, y=down, colorbar=bar, **(usual | how))


def finish(figure: go.Figure, title: str, height: int, *, legend_below: bool = False) -> go.Figure:
    """Title, height in pixels and margins; returns the same figure.

    legend_below: put the legend under the title of the x axis, side by side.
    """
    if legend_below:  # in shares of the plot, which is what title and axis leave of the height
        place = {"orientation": "h", "x": 0, "y": -55 / max(60, height - 160)}
        figure.update_layout(legend=place | {"traceorder": "normal"})
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        height=height,
        margin={"l": 10, "r": 10, "t": 70, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
