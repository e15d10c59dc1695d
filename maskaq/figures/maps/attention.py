"""Attention maps of the heads, and how far Q's attention is from P's."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.chart import Chart
from maskaq.figures.maps import outline, patches
from maskaq.figures.maps.regions import INFORMATIVE
from maskaq.figures.pictures import axis, tiles
from maskaq.figures.style import DIVERGING, SEQUENTIAL, VERMILLION, error_bars, finish
from maskaq.intervals import student
from maskaq.regions.numpy_masks import inside_outside as means_of

Mask = NDArray[np.bool_]
Rows = NDArray[np.float32]
_MAP = 200  # pixels
_BRIGHTEST = 0.99  # quantile of the attention at the top of the colour scale
_TWO_LINES = 92  # pixels above the maps, for a title of two lines and the names of the maps


def frame(rows: Rows, grid: tuple[int, int], mask: Mask) -> pd.DataFrame:
    """Columns head, patch, row, column, attention (share) and informative.

    rows, mask: as for `heads`.
    """
    heads, count = rows.shape
    patch = np.tile(np.arange(count), heads)
    return pd.DataFrame(
        {
            "head": np.repeat(np.arange(heads), count),
            "patch": patch,
            "row": patch // grid[1],
            "column": patch % grid[1],
            "attention": rows.ravel().astype(np.float32),
            "informative": np.tile(mask, heads),
        }
    )


def heads(
    rows: Rows,
    grid: tuple[int, int],
    mask: Mask,
    head: int | None,
    title: str = "Attention of every head",
    query: int | None = None,
    height: int = _MAP,
) -> Chart:
    """One map per head of the attention from one query to each patch, on a shared colour scale.

    Args:
        rows: attention of the query to the patches [H,N], without the class token.
        grid: rows and columns of patches.
        mask: informative patches, which get an outline [N].
        head: the head to highlight with a frame and a bold title, if any.
        query: the query patch, marked with a cross; None for the class token.
        height: of a map in pixels.

    A click on a patch returns its number.
    """
    count = len(rows)
    wide = count if count <= 4 else 3 if count <= 6 else 4
    high = math.ceil(count / wide)
    names = [f"<b>head {n}, chosen</b>" if n == head else f"head {n}" for n in range(count)]
    border, shapes = outline.path(mask, grid), []
    for number in range(count):
        shapes += outline.shapes(border, *INFORMATIVE, axis(number), width=_width(grid))
        shapes += patches.cross(query, grid, axis=axis(number))
        if number == head:
            place = {"xref": f"x{axis(number)} domain", "yref": f"y{axis(number)} domain"}
            line = {"color": VERMILLION, "width": 4}
            shapes.append(
                {"type": "rect", "x0": 0, "x1": 1, "y0": 0, "y1": 1, "line": line} | place
            )
    # A few patches get far more attention than all others: they share the brightest colour.
    top = float(np.quantile(rows, _BRIGHTEST)) or float(rows.max()) or 1.0
    scale = {"colorscale": SEQUENTIAL, "cmin": 0, "cmax": top, "colorbar": _bar("attention")}
    layout = {"shapes": shapes, "coloraxis": scale, "legend": _LEGEND}
    maps = [_map(row, grid, number) for number, row in enumerate(rows)]
    figure = go.Figure(
        data=[*maps, outline.key("informative patches", *INFORMATIVE)],
        layout=tiles(names, wide, (0.02, 0.18 / high)) | layout,
    )
    words = [
        f"head {number}, {name}<br>attention {value:.4f}"
        for number, row in enumerate(rows)
        for name, value in zip(patches.names(grid), row, strict=True)
    ]
    patches.clickable(figure, grid, words, axes=[axis(number) for number in range(count)])
    size = f"{count} heads, {rows.shape[1]} patches"
    finish(figure, f"{title}<br>{size}", 140 + height * high).update_layout(margin_t=_TWO_LINES)
    table = frame(rows, grid, mask)
    return Chart(figure, table, _describe(table), "heads")


_LEGEND = {"orientation": "h", "y": -0.02, "x": 0}


def _map(row: Rows, grid: tuple[int, int], number: int, coloraxis: str = "coloraxis") -> go.Heatmap:
    return go.Heatmap(
        z=row.reshape(grid).astype(np.float32),
        coloraxis=coloraxis,
        xaxis=f"x{axis(number)}",
        yaxis=f"y{axis(number)}",
        hovertemplate="row %{y}, column %{x}: %{z:.4f}<extra></extra>",
    )


def _width(grid: tuple[int, int]) -> float:
    """The width of an outline that leaves small patches visible, in pixels."""
    return 2.5 if grid[1] <= 10 else 1.5


def _bar(title: str) -> dict[str, object]:
    return {"title": {"text": title, "side": "top"}, "thickness": 12}


def _describe(table: pd.DataFrame) -> str:
    total = table.groupby("head")["attention"].sum()
    inside = table[table["informative"]].groupby("head")["attention"].sum()
    share = (inside.reindex(total.index, fill_value=0) / total.replace(0, np.nan)).fillna(0)
    expected = table.loc[table["head"] == table["head"].iloc[0], "informative"].mean()
    return (
        f"On average {share.mean():.0%} of the attention to patches falls on the informative ones, "
        f"which are {expected:.0%} of all patches; most in head {share.idxmax()} "
        f"({share.max():.0%}), least in head {share.idxmin()} ({share.min():.0%})."
    )


def difference_frame(p: Rows, q: Rows, grid: tuple[int, int], mask: Mask) -> pd.DataFrame:
    """Columns patch, row, column, p, q, difference (P - Q) and informative, from [N] each."""
    rows, columns = np.divmod(np.arange(p.size), grid[1])
    place = {"patch": np.arange(p.size), "row": rows, "column": columns}
    return pd.DataFrame(place | {"p": p, "q": q, "difference": p - q, "informative": mask})


def difference(
    p: Rows,
    q: Rows,
    grid: tuple[int, int],
    mask: Mask,
    title: str = "Attention per patch in P, in Q,<br>and their difference",
    query: int | None = None,
) -> Chart:
    """Maps of P, Q and P - Q, from [N] each, with an outline of the mask [N].

    query: the query patch, marked with a cross. A click on a patch returns its number.
    """
    border, shapes, maps = outline.path(mask, grid), [], []
    for number, values in enumerate((p, q, p - q)):
        maps.append(_map(values, grid, number, "coloraxis2" if number == 2 else "coloraxis"))
        shapes += outline.shapes(border, *INFORMATIVE, axis(number), width=_width(grid))
        shapes += patches.cross(query, grid, axis=axis(number))
    top, most = float(max(p.max(), q.max())) or 1.0, float(np.abs(p - q).max()) or 1e-6
    bar = _bar("attention of P and of Q") | _BELOW | {"x": 0.325, "len": 0.6}
    signed = _bar("P - Q") | _BELOW | {"x": 0.845, "len": 0.3}
    layout = {
        "shapes": shapes,
        "legend": _LEGEND | {"y": -0.45},
        "coloraxis": {"colorscale": SEQUENTIAL, "cmin": 0, "cmax": top, "colorbar": bar},
        "coloraxis2": {"colorscale": DIVERGING, "cmin": -most, "cmax": most, "colorbar": signed},
    }
    figure = go.Figure(
        data=[*maps, outline.key("informative patches", *INFORMATIVE)],
        layout=tiles(["P", "Q", "P - Q"], 3, (0.04, 0)) | layout,
    )
    table = difference_frame(p, q, grid, mask)
    words = [
        f"{name}<br>P {one.p:.4f}, Q {one.q:.4f}, P - Q {one.difference:+.4f}"
        for name, one in zip(patches.names(grid), table.itertuples(), strict=True)
    ]
    patches.clickable(figure, grid, 3 * words, axes=[axis(number) for number in range(3)])
    finish(figure, title, 380).update_layout(margin_t=_TWO_LINES)
    return Chart(figure, table, _describe_difference(table), "difference")


_BELOW = {"orientation": "h", "y": -0.02, "yanchor": "top"}


def _describe_difference(table: pd.DataFrame) -> str:
    distance = table["difference"].abs()
    mask = table["informative"].astype(bool)
    worst = table.iloc[int(distance.to_numpy().argmax())]
    place = "inside" if worst["informative"] else "outside"
    others = ", which covers all patches"
    if (~mask).any():
        others = f" and {distance[~mask].mean():.4f} outside it"
    return (
        f"P and Q differ by {distance[mask].mean():.4f} per patch inside the informative region"
        f"{others}; the largest difference, {worst['difference']:+.4f}, is {place} it at row "
        f"{worst['row']:.0f}, column {worst['column']:.0f} (counted from 0)."
    )


def inside_outside_frame(pairs: Sequence[tuple[Rows, Rows, Mask]]) -> pd.DataFrame:
    """Columns part, value, low, high, n (images) and patches (mean number).

    The value is the mean over images of |P - Q| per patch, with Student's 95 % interval; a single
    image has no interval.

    pairs: P's row, Q's row and the mask of each image, [N] each.
    """
    p, q, mask = (np.stack(part) for part in zip(*pairs, strict=True))  # [B,N] each
    rows = []
    for name, means, part in zip(
        ("inside the mask", "outside the mask"), means_of(p, q, mask), (mask, ~mask), strict=True
    ):
        interval = student(means[np.isfinite(means)].tolist())
        rows.append((name, *interval, part.sum(1).mean()))
    return pd.DataFrame(rows, columns=["part", "value", "low", "high", "n", "patches"])


def inside_outside(table: pd.DataFrame) -> Chart:
    """Mean |P - Q| inside and outside the mask, from `inside_outside_frame`."""
    figure = go.Figure()
    for colour, symbol, (_, row) in zip(
        (INFORMATIVE[0], VERMILLION), ("circle", "diamond"), table.iterrows(), strict=False
    ):
        one = table.loc[[row.name]]
        figure.add_scatter(
            name=str(row["part"]),
            mode="markers",
            showlegend=False,
            x=one["value"],
            y=[f"{row['part']}, {row['patches']:.0f} patches"],
            marker={"color": colour, "symbol": symbol, "size": 13},
            error_x=error_bars(one),
            hovertemplate="%{x:.5f}<extra></extra>",
        )
    figure.update_xaxes(title="mean |P - Q|, attention per patch", rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    n = int(table["n"].max())
    with_interval = ", with 95 % intervals" if n > 1 else ", without an interval"
    images = f"{n:,} image" + ("s" if n != 1 else "")
    finish(figure, f"How far Q's attention is from P's<br>{images}{with_interval}", 220)
    return Chart(figure, table, _describe_inside_outside(table), "inside-outside")


def _describe_inside_outside(table: pd.DataFrame) -> str:
    inside, outside = table["value"]
    others = f" and {outside:.5f} outside it" if np.isfinite(outside) else ""
    ratio = f", a ratio of {inside / outside:.1f}" if outside > 0 else ""
    return (
        f"The mean distance per patch is {inside:.5f} inside the mask{others}{ratio} "
        f"(n = {int(table['n'].max())} images)."
    )
