"""The accuracy of Q at every pair of bit-widths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import VERMILLION, finish, heat


def frame(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Columns weight_bits, activation_bits, value, low, high (top-1 in %), n, backend.

    Args:
        table: `maskaq.precomputed.showcase.bits()`, whose shares are in 0..1. source: the rows to
            take.
    """
    rows = table[table["source"] == source]
    shares = {name: 100 * rows[old] for name, old in (("value", "top1"), ("low", "low"))}
    found = rows[["weight_bits", "activation_bits"]].assign(**shares, high=100 * rows["high"])
    return found.assign(n=rows["n"], backend=rows["backend"]).reset_index(drop=True)


def widths(table: pd.DataFrame, chosen: tuple[int, int], source: str) -> go.Figure:
    """A map from `frame`, the chosen (weight bits, activation bits) framed."""
    values = table.pivot(index="weight_bits", columns="activation_bits", values="value")
    down, across = [int(name) for name in values.index], [int(name) for name in values.columns]
    figure = go.Figure(
        heat(
            values.to_numpy(np.float32),
            across,
            down,
            "top-1, %",
            texttemplate="%{z:.1f}",
            hovertemplate="W%{y}A%{x}: %{z:.1f} %<extra></extra>",
        )
    )
    if chosen[0] in down and chosen[1] in across:
        y, x = chosen
        ends = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
        figure.add_shape(type="rect", line={"color": "white", "width": 6}, **ends)
        figure.add_shape(type="rect", line={"color": VERMILLION, "width": 3}, **ends)
    figure.update_xaxes(title="activation bits", dtick=1, showgrid=False)
    figure.update_yaxes(title="weight bits", dtick=1, showgrid=False, autorange="reversed")
    count = int(table["n"].min())
    title = f"Top-1 accuracy of Q from {source}, in %, on {count:,} scenes"
    return finish(figure, title, 150 + 38 * len(down))


def describe(table: pd.DataFrame) -> str:
    """The map in one sentence, from `frame`."""
    values = table["value"].to_numpy()
    best, worst = table.iloc[int(values.argmax())], table.iloc[int(values.argmin())]
    return (
        f"From {worst['value']:.1f} % at W{worst['weight_bits']}A{worst['activation_bits']} to "
        f"{best['value']:.1f} % at W{best['weight_bits']}A{best['activation_bits']}."
    )
