"""Every source of images with every back-end, at the same bits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import finish, heat

_SHARES = ("p", "q", "lowest", "highest", "low", "high")


def frame(table: pd.DataFrame, bits: str) -> pd.DataFrame:
    """The rows of one number format, shares in %, and retention, Q's top-1 in % of P's.

    table: from `maskaq.precomputed.accuracy_table.over_seeds`.
    """
    rows = table[table["bits"] == bits].drop(columns="bits")
    shares = {name: 100 * rows[name] for name in _SHARES}
    return rows.assign(**shares, retention=100 * rows["q"] / rows["p"]).reset_index(drop=True)


def crossed(table: pd.DataFrame, bits: str) -> go.Figure:
    """A map from `frame`: sources down, back-ends across; below each mean its spread over seeds."""
    down, across = list(dict.fromkeys(table["source"])), list(dict.fromkeys(table["backend"]))
    values = np.full((len(down), len(across)), np.nan, np.float32)
    words = np.full(values.shape, "", object)
    shown = table[["source", "backend", "q", *_ends(table)]]
    for source, backend, mean, lowest, highest in shown.itertuples(index=False, name=None):
        place = down.index(source), across.index(backend)
        values[place] = mean
        words[place] = f"{mean:.1f}<br>{lowest:.1f} to {highest:.1f}"
    figure = go.Figure(
        heat(
            values,
            across,
            down,
            "top-1, %",
            text=words,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{z:.1f} %<br>%{text}<extra></extra>",
        )
    )
    figure.update_xaxes(title="back-end", side="bottom", showgrid=False)
    figure.update_yaxes(title="source of the images", autorange="reversed", showgrid=False)
    seeds, count = _span(table["seeds"]), _span(table["n"])
    title = f"Top-1 accuracy of Q in % at {bits}; n = {count} images, seeds: {seeds}"
    return finish(figure, title, 170 + 52 * len(down))


def _ends(table: pd.DataFrame) -> tuple[str, str]:
    """Columns of what stands below a mean: the spread over seeds; with one seed, the interval."""
    return ("lowest", "highest") if table["seeds"].max() > 1 else ("low", "high")


def _span(values: pd.Series[int]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def describe(table: pd.DataFrame) -> str:
    """The map in one sentence, from `frame`."""
    order = table["q"].to_numpy()
    best, worst = table.iloc[int(order.argmax())], table.iloc[int(order.argmin())]
    free = table[table["source"] != "real"]
    said = f"Best is {best['source']} with {best['backend']} ({best['q']:.1f} %)"
    if best["source"] == "real" and len(free):
        ours = free.iloc[int(free["q"].to_numpy().argmax())]
        said += f", without real images {ours['source']} with {ours['backend']} ({ours['q']:.1f} %)"
    return (
        f"{said}, worst {worst['source']} with {worst['backend']} ({worst['q']:.1f} %); P has "
        f"{table['p'].mean():.1f} %."
    )
