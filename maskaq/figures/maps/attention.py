"""Where the heads look, and how far Q's attention is from P's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.maps import outline
from maskaq.figures.maps.regions import INFORMATIVE
from maskaq.figures.maps.tiles import axis, tiles
from maskaq.figures.style import DIVERGING, SEQUENTIAL, VERMILLION, finish, whiskers
from maskaq.intervals import student
from maskaq.regions.numpy_masks import inside_outside as means_of

Mask = NDArray[np.bool_]
Rows = NDArray[np.float32]
_MAP = 200  # pixels


def frame(rows: Rows, grid: tuple[int, int], mask: Mask) -> pd.DataFrame:
    """Columns head, patch, row, column, attention (share) and informative, from rows [H,N]."""
    heads, patches = rows.shape
    patch = np.tile(np.arange(patches), heads)
    return pd.DataFrame(
        {
            "head": np.repeat(np.arange(heads), patches),
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
) -> go.Figure:
    """Small maps of what one query pays to each patch, one per head, on one scale.

    Args:
        rows: attention of the query [H,N]; what goes to the class token is not part of it.
        mask: patches whose border is drawn [N].
        head: the chosen one, framed and named in bold; None frames none.
        query: the patch that looks, crossed out in every map; None for no patch.
    """
    count = len(rows)
    wide = count if count <= 4 else 3 if count <= 6 else 4
    high = math.ceil(count / wide)
    names = [f"<b>head {n}, chosen</b>" if n == head else f"head {n}" for n in range(count)]
    border, drawn = outline.path(mask, grid), []
    for number in range(count):
        drawn += outline.shapes(border, *INFORMATIVE, axis(number))
        drawn += _cross(query, grid, axis(number))
        if number == head:
            drawn.append(_frame_of(axis(number)))
    top = float(rows.max()) or 1.0
    scale = {"colorscale": SEQUENTIAL, "cmin": 0, "cmax": top, "colorbar": _bar("attention")}
    more = {"shapes": drawn, "coloraxis": scale, "legend": _LEGEND}
    maps = [_map(row, grid, number) for number, row in enumerate(rows)]
    figure = go.Figure(
        data=[*maps, outline.key("informative patches", *INFORMATIVE)],
        layout=tiles(names, wide, (0.02, 0.18 / high)) | more,
    )
    return finish(figure, f"{title}, {count} heads, {rows.shape[1]} patches", 120 + _MAP * high)


_LEGEND = {"orientation": "h", "y": -0.02, "x": 0}


def _map(row: Rows, grid: tuple[int, int], number: int, coloraxis: str = "coloraxis") -> go.Heatmap:
    return go.Heatmap(
        z=row.reshape(grid).astype(np.float32),
        coloraxis=coloraxis,
        xaxis=f"x{axis(number)}",
        yaxis=f"y{axis(number)}",
        hovertemplate="row %{y}, column %{x}: %{z:.4f}<extra></extra>",
    )


def _frame_of(one: str) -> dict[str, object]:
    ends = {"x0": 0, "x1": 1, "y0": 0, "y1": 1}
    place = {"type": "rect", "xref": f"x{one} domain", "yref": f"y{one} domain"}
    return {**place, **ends, "line": {"color": VERMILLION, "width": 4}}


def _cross(query: int | None, grid: tuple[int, int], one: str) -> list[dict[str, object]]:
    if query is None:
        return []
    row, column = divmod(query, grid[1])
    left, right, top, bottom = column - 0.3, column + 0.3, row - 0.3, row + 0.3
    line = f"M{left:g},{top:g}L{right:g},{bottom:g}M{left:g},{bottom:g}L{right:g},{top:g}"
    return outline.shapes(line, VERMILLION, "solid", one)


def _bar(title: str) -> dict[str, object]:
    return {"title": {"text": title, "side": "top"}, "thickness": 12}


def describe(table: pd.DataFrame) -> str:
    """The maps in one sentence, from `frame`."""
    share = _inside(table)
    even = table.loc[table["head"] == table["head"].iloc[0], "informative"].mean()
    return (
        f"On average {share.mean():.0%} of the attention to patches falls on the informative ones, "
        f"which are {even:.0%} of all; most in head {share.idxmax()} ({share.max():.0%}), least in "
        f"head {share.idxmin()} ({share.min():.0%})."
    )


def _inside(table: pd.DataFrame) -> pd.Series[float]:
    """Share of each head's attention to patches that falls on the informative ones."""
    total = table.groupby("head")["attention"].sum()
    inside = table[table["informative"]].groupby("head")["attention"].sum()
    return (inside.reindex(total.index, fill_value=0) / total.replace(0, np.nan)).fillna(0)


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
    title: str = "Attention of P, of Q, and what differs",
) -> go.Figure:
    """Maps of P, Q and P - Q, from [N] each, with the border of the mask [N]."""
    border, drawn, maps = outline.path(mask, grid), [], []
    for number, values in enumerate((p, q, p - q)):
        maps.append(_map(values, grid, number, "coloraxis2" if number == 2 else "coloraxis"))
        drawn += outline.shapes(border, *INFORMATIVE, axis(number))
    top, most = float(max(p.max(), q.max())) or 1.0, float(np.abs(p - q).max()) or 1e-6
    both = _bar("attention of P and of Q") | _BELOW | {"x": 0.325, "len": 0.6}
    apart = _bar("P - Q") | _BELOW | {"x": 0.845, "len": 0.3}
    more = {
        "shapes": drawn,
        "legend": _LEGEND | {"y": -0.45},
        "coloraxis": {"colorscale": SEQUENTIAL, "cmin": 0, "cmax": top, "colorbar": both},
        "coloraxis2": {"colorscale": DIVERGING, "cmin": -most, "cmax": most, "colorbar": apart},
    }
    figure = go.Figure(
        data=[*maps, outline.key("informative patches", *INFORMATIVE)],
        layout=tiles(["P", "Q", "P - Q"], 3, (0.04, 0)) | more,
    )
    return finish(figure, f"{title} (attention per patch, {p.size} patches)", 420)


_BELOW = {"orientation": "h", "y": -0.02, "yanchor": "top"}


def describe_difference(table: pd.DataFrame) -> str:
    """The maps in one sentence, from `difference_frame`."""
    apart = table["difference"].abs()
    mask = table["informative"].astype(bool)
    worst = table.iloc[int(apart.to_numpy().argmax())]
    place = "inside" if worst["informative"] else "outside"
    others = f" and {apart[~mask].mean():.4f} outside it" if (~mask).any() else ", which is all"
    return (
        f"P and Q differ by {apart[mask].mean():.4f} per patch inside the informative region"
        f"{others}; most, {worst['difference']:+.4f}, {place} it "
        f"at row {worst['row']:.0f}, column {worst['column']:.0f} (counted from 0)."
    )


def inside_outside_frame(pairs: Sequence[tuple[Rows, Rows, Mask]]) -> pd.DataFrame:
    """Columns part, value, low, high, n (images) and patches (mean number).

    Args:
        pairs: P's row, Q's row and the mask of each image, [N] each. The value is the mean over
            images of |P - Q| per patch, with Student's 95 % interval; one image has none.
    """
    p, q, mask = (np.stack(part) for part in zip(*pairs, strict=True))  # [B,N] each
    rows = []
    for name, means, part in zip(
        ("inside the mask", "outside the mask"), means_of(p, q, mask), (mask, ~mask), strict=True
    ):
        found = student(means[np.isfinite(means)].tolist())
        rows.append((name, *found, part.sum(1).mean()))
    return pd.DataFrame(rows, columns=["part", "value", "low", "high", "n", "patches"])


def inside_outside(table: pd.DataFrame) -> go.Figure:
    """Mean |P - Q| inside and outside the mask from `inside_outside_frame`."""
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
            error_x=whiskers(one),
            hovertemplate="%{x:.5f}<extra></extra>",
        )
    figure.update_xaxes(title="mean |P - Q|, attention per patch", rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    n = int(table["n"].max())
    with_interval = ", with 95 % intervals" if n > 1 else ", without an interval"
    images = f"{n:,} image" + ("s" if n != 1 else "")
    return finish(figure, f"Distance of Q's attention from P's on {images}{with_interval}", 220)


def describe_inside_outside(table: pd.DataFrame) -> str:
    """The chart in one sentence."""
    inside, outside = table["value"]
    others = f" and {outside:.5f} outside the mask" if np.isfinite(outside) else " the mask"
    times = f", {inside / outside:.1f} times as much inside" if outside > 0 else ""
    return (
        f"Mean distance per patch is {inside:.5f} inside{others}{times} "
        f"(n = {int(table['n'].max())} images)."
    )
