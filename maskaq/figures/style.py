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
from plotly.colors import sample_colorscale, unlabel_rgb

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


def letter_cells(figure: go.Figure) -> None:
    """Write the labels of a heat map in black or white, whichever stands out more from its cell.

    Plotly has one colour for all of them, which is hard to read on middle tones. Labels of cells
    without a value keep the colour of the page's text.

    Args:
        figure: its first trace is the heat map, from `labelled_heatmap`.
    """
    heat = figure.data[0]
    colours = cell_colours(heat)
    texts: dict[str, list[tuple[object, object, str]]] = {}
    for row, column in zip(*np.nonzero(np.asarray(heat.text) != ""), strict=True):
        colour = colours[row, column]
        text = heat.x[column], heat.y[row], heat.text[row, column]
        texts.setdefault(ink(colour) if colour else "", []).append(text)
    heat.texttemplate = ""
    for colour, places in texts.items():
        x, y, words = zip(*places, strict=True)
        if not colour:
            write_plain(figure, x, y, words)
            continue
        font = {"textfont": {"color": colour}}
        figure.add_scatter(
            x=x,
            y=y,
            text=words,
            mode="text",
            hoverinfo="skip",
            showlegend=False,
            selected=font,
            unselected=font,  # else it fades when another cell is clicked
            **font,
        )


def write_plain(
    figure: go.Figure, x: Iterable[object], y: Iterable[object], texts: Iterable[str]
) -> None:
    """Write texts in the colour of the page's text at places [n]."""
    for place in zip(x, y, texts, strict=True):
        figure.add_annotation(**dict(zip(("x", "y", "text"), place, strict=True)), showarrow=False)


def cell_colours(heat: go.Heatmap) -> NDArray[np.object_]:
    """The colour of each cell as plotly draws it, as `rgb(r, g, b)` [R,C]; "" without a value."""
    values = np.asarray(heat.z, float)  # [R,C]
    known = np.isfinite(values)
    colours = np.full(values.shape, "", object)
    if known.any():
        low = values[known].min() if heat.zmin is None else heat.zmin
        high = values[known].max() if heat.zmax is None else heat.zmax
        shares = np.clip((values[known] - low) / ((high - low) or 1), 0, 1)
        colours[known] = sample_colorscale([list(pair) for pair in heat.colorscale], shares)
    return colours


def ink(colour: str) -> str:
    """Black or white, whichever has the higher contrast with a colour.

    >>> ink("rgb(255, 234, 70)"), ink("rgb(0, 34, 78)")
    ('#000000', '#ffffff')
    """
    return max("#000000", "#ffffff", key=lambda text: contrast(text, colour))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours as in WCAG 2.2, 1 to 21. Colours are hexadecimal or rgb().

    >>> round(contrast("#000000", "#ffffff"), 2), round(contrast("#777777", "#ffffff"), 2)
    (21.0, 4.48)
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, as in WCAG 2.2."""
    hexadecimal = colour.startswith("#")
    parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)] if hexadecimal else unlabel_rgb(colour)
    shares = [float(part) / 255 for part in parts]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def targets(
    figure: go.Figure,
    x: Iterable[object],
    y: Iterable[object],
    values: Iterable[object],
    hover: Iterable[str],
    *,
    size: int = 24,
    **options: Any,
) -> None:
    """Make places of a figure clickable, such as the cells of a heat map.

    Plotly selects points, but not cells, so an invisible point is put on each of them.

    Args:
        x, y: places [n]. values: what a click on each returns [n]. hover: text at each [n].
        size: of the place that answers, in pixels.
        options: other arguments of `add_scatter`, such as axes.
    """
    unseen = {"marker": {"opacity": 0}}
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers",
        marker={"opacity": 0, "size": size},
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

    legend_below: put a horizontal legend at the bottom, below the title of the x axis.
    """
    if legend_below:  # measured in the whole figure: then plotly makes room for all of its rows
        bottom = {"yref": "container", "y": 0, "yanchor": "bottom"}
        left = {"xref": "container", "x": 0, "xanchor": "left"}
        figure.update_layout(legend={"orientation": "h", "traceorder": "normal"} | bottom | left)
    figure.update_layout(
        title={"text": title, "x": 0, "xanchor": "left", "font": {"size": 15}},
        height=height,
        margin={"l": 10, "r": 10, "t": 70, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    return figure
