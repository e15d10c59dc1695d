"""A small grid of runs: what two settings together do to the accuracy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import finish, heat

DONE = "finished"
_COLUMNS = ["a", "b", "state", "value", "low", "high", "n"]


def frame(cells: pd.DataFrame) -> pd.DataFrame:
    """The same cells with all columns there and the numbers as numbers.

    Columns a, b (values of the two axes, as words), state (`waiting`, `running`, `finished`,
    `failed`, `cancelled`, ...), value, low, high (top-1 in %, NaN until finished) and n.
    """
    table = cells.reindex(columns=_COLUMNS)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "low", "high", "n")}
    return table.assign(a=table["a"].astype(str), b=table["b"].astype(str), **numbers)


def heatmap(table: pd.DataFrame, a: str = "a", b: str = "b") -> go.Figure:
    """One cell per run from `frame`: its accuracy and interval, or its state in words.

    a, b: what the two axes are called.
    """
    table = frame(table)
    across, down = list(dict.fromkeys(table["a"])), list(dict.fromkeys(table["b"]))
    values = np.full((len(down), len(across)), np.nan, np.float32)
    words = np.full(values.shape, "", object)
    other: list[tuple[str, str, str]] = []
    for x, y, state, value, low, high, n in table.itertuples(index=False):
        place = down.index(y), across.index(x)
        if state == DONE:
            values[place] = value
            words[place] = f"{value:.1f} %<br>{low:.1f} to {high:.1f}<br>n = {n:,.0f}"
        else:
            other.append((x, y, state))
    figure = go.Figure(
        heat(
            values,
            across,
            down,
            "top-1, %",
            text=words,
            texttemplate="%{text}",
            xgap=2,
            ygap=2,
            hovertemplate=f"{a} %{{x}}, {b} %{{y}}<br>%{{text}}<extra></extra>",
        )
    )
    if other:  # a heat map writes nothing where it has no number
        x, y, states = (list(column) for column in zip(*other, strict=True))
        figure.add_scatter(
            x=x, y=y, text=states, mode="text", showlegend=False, hoverinfo="x+y+text"
        )
    # As categories: "4" and "8" are names of cells here, with nothing in between.
    figure.update_xaxes(title=a, type="category", showgrid=False, categoryarray=across)
    figure.update_yaxes(
        title=b, type="category", showgrid=False, categoryarray=down, autorange="reversed"
    )
    done = int((table["state"] == DONE).sum())
    title = f"Top-1 accuracy of Q by {a} and {b}, {done} of {len(table)} runs finished"
    return finish(figure, title, 190 + 72 * max(1, len(down)))


def describe(table: pd.DataFrame) -> str:
    """The grid in one sentence."""
    table = frame(table)
    done = table[table["state"] == DONE]
    said = f"{len(done)} of {len(table)} runs are finished"
    if done.empty:
        return said + "."
    order = done["value"].to_numpy()
    best, worst = done.iloc[int(order.argmax())], done.iloc[int(order.argmin())]
    return (
        f"{said}; best is {best['a']} with {best['b']} ({best['value']:.1f} %), worst "
        f"{worst['a']} with {worst['b']} ({worst['value']:.1f} %)."
    )
