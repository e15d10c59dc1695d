"""Colours and layout that all charts share.

The colours are those of Okabe and Ito (2008), which are distinct for readers with any type of
colour vision. Backgrounds are transparent and text colours are unset, so that a chart fits a light
and a dark page. No chart relies on colour alone.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#8A94A0"
PALETTE = (BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, GREY)
# In the first scale lightness alone gives the order; the second one is near white in the middle.
SEQUENTIAL, DIVERGING = "Cividis", "PuOr"
# Symbols that go with the palette, for readers who print in grey.
_SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star", "x")


def marker_style(number: int) -> dict[str, str]:
    """Colour and symbol of the n-th series; the first 49 series all differ."""
    shift = number // len(PALETTE)
    return {
        "color": PALETTE[number % len(PALETTE)],
        "symbol": _SYMBOLS[(number + shift) % len(_SYMBOLS)],
    }


def error_bars(table: pd.DataFrame) -> dict[str, object]:
    """Error bars from the columns value, low and high; a row without bounds gets none."""
    return {
        "array": table["high"] - table["value"],
        "arrayminus": table["value"] - table["low"],
        "thickness": 2,
        "width": 6,
    }


def line_style(rows: pd.DataFrame, number: int, size: int = 11) -> dict[str, Any]:
    """Arguments of `add_scatter` for the n-th line, from the columns value, low, high and n.

    The caller adds the name, the x values and the hover text.
    """
    return {
        "mode": "lines+markers",
        "y": rows["value"],
        "marker": marker_style(number) | {"size": size},
        "line": {"width": 2},
        "error_y": error_bars(rows),
        "customdata": rows[["low", "high", "n"]],
    }


def point_style(
    rows: pd.DataFrame, marker: dict[str, str], label: str, size: int = 12
) -> dict[str, Any]:
    """Arguments of `add_scatter` for points in %, from the columns value, low, high and n.

    The caller adds the name and the y values. label: of the hover text.
    """
    return {
        "mode": "markers",
        "x": rows["value"],
        "marker": marker | {"size": size},
        "error_x": error_bars(rows),
        "customdata": rows[["low", "high", "n"]],
        "hovertemplate": "%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
        f"n = %{{customdata[2]:,}}<extra>{label}</extra>",
    }


def reference_line(figure: go.Figure, value: float, label: str) -> None:
    """Add a dashed horizontal line with a label."""
    figure.add_hline(
        value,
        line={"color": GREY, "dash": "dash"},
        annotation_text=label,
        annotation_position="top right",
    )


def in_percent(rows: pd.DataFrame) -> pd.DataFrame:
    """The same rows with value, low and high, given in 0..1, in %."""
    return rows.assign(**{name: 100 * rows[name] for name in ("value", "low", "high")})


def model_label(model: str) -> str:
    """`P`, or `Q` with its bit widths.

    >>> model_label("P"), model_label("W4A4")
    ('P', 'Q W4A4')
    """
    return "P" if model == "P" else f"Q {model}"


def heatmap_trace(
    values: NDArray[np.float32],
    columns: Sequence[object],
    rows: Sequence[object],
    unit: str,
    **options: Any,
) -> go.Heatmap:
    """A heat map of values [R,C], with the labels `rows` [R] and `columns` [C].

    unit: title of the colour bar. options: other arguments of `go.Heatmap`.
    """
    bar = {"title": {"text": unit, "side": "right"}, "thickness": 12}
    defaults = {"xgap": 1, "ygap": 1, "colorscale": SEQUENTIAL}
    return go.Heatmap(z=values, x=columns, y=rows, colorbar=bar, **(defaults | options))


def labelled_heatmap(
    rows: Sequence[object],
    columns: Sequence[object],
    cells: Iterable[tuple[object, object, float, str]],
    unit: str,
    **options: Any,
) -> go.Heatmap:
    """As `heatmap_trace`, from one (row, column, value, label) per cell; others are empty."""
    values = np.full((len(rows), len(columns)), np.nan, np.float32)
    labels = np.full(values.shape, "", object)
    for row, column, value, label in cells:
        place = rows.index(row), columns.index(column)
        values[place], labels[place] = value, label
    return heatmap_trace(
        values, columns, rows, unit, text=labels, texttemplate="%{text}", **options
    )


def targets(
    figure: go.Figure,
    x: Sequence[object],
    y: Sequence[object],
    values: Sequence[object],
    hover: Sequence[str],
    **options: Any,
) -> None:
    """Make places of a figure clickable, such as the cells of a heat map.

    Plotly selects points, but not cells, so an invisible point is put on each of them.

    Args:
        x, y: places [n]. values: what a click on each returns [n]. hover: text at each [n].
        options: other arguments of `add_scatter`, such as axes.
    """
    unseen = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"opacity": 0, "size": 24},
        selected=unseen,
        unselected=unseen,
        customdata=[[value] for value in values],
        hovertext=hover,
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
        **options,
    )


def finish(figure: go.Figure, title: str, height: int, *, legend_below: bool = False) -> go.Figure:
    """Set the title, the height in pixels and the margins; return the same figure.

    legend_below: put a horizontal legend below the title of the x axis.
    """
    if legend_below:  # plotly measures y in units of the plot height
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
