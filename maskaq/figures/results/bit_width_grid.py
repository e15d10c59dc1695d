"""The accuracy of Q at every pair of bit widths."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import VERMILLION, finish, heatmap_trace, targets


def frame(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """The rows of one sample source.

    Columns weight_bits, activation_bits, value, low, high (top-1 in %), n and backend.

    table: from `maskaq.precomputed.showcase.bits`, with shares in 0..1.
    """
    rows = table[table["source"] == source].reset_index(drop=True)
    shares = {"value": 100 * rows["top1"], "low": 100 * rows["low"], "high": 100 * rows["high"]}
    bits = rows[["weight_bits", "activation_bits"]]
    return bits.assign(**shares, n=rows["n"], backend=rows["backend"])


def heatmap(table: pd.DataFrame, chosen: tuple[int, int], source: str) -> Chart:
    """A heat map from `frame`, with a frame around the chosen (weight bits, activation bits)."""
    values = table.pivot(index="weight_bits", columns="activation_bits", values="value")
    rows, columns = [int(name) for name in values.index], [int(name) for name in values.columns]
    figure = go.Figure(
        heatmap_trace(
            values.to_numpy(np.float32),
            columns,
            rows,
            "top-1, %",
            texttemplate="%{z:.1f}",
            hoverinfo="skip",
        )
    )
    names = [
        f"W{w}A{a}" for w, a in zip(table["weight_bits"], table["activation_bits"], strict=True)
    ]
    hover = [f"{name}: {value:.1f} %" for name, value in zip(names, table["value"], strict=True)]
    targets(figure, table["activation_bits"], table["weight_bits"], names, hover)
    if chosen[0] in rows and chosen[1] in columns:
        y, x = chosen
        ends = {"x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5}
        figure.add_shape(type="rect", line={"color": "white", "width": 6}, **ends)
        figure.add_shape(type="rect", line={"color": VERMILLION, "width": 3}, **ends)
    figure.update_xaxes(title="activation bits", dtick=1, showgrid=False)
    figure.update_yaxes(title="weight bits", dtick=1, showgrid=False, autorange="reversed")
    count = int(table["n"].min())
    title = f"Top-1 of Q from {source}, %, {count:,} scenes"
    finish(figure, title, 150 + 38 * len(rows))
    return Chart(figure, table, _describe(table), f"widths-{source}")


def _describe(table: pd.DataFrame) -> str:
    values = table["value"].to_numpy()
    best, worst = table.iloc[int(values.argmax())], table.iloc[int(values.argmin())]
    return (
        f"From {worst['value']:.1f} % at W{worst['weight_bits']}A{worst['activation_bits']} to "
        f"{best['value']:.1f} % at W{best['weight_bits']}A{best['activation_bits']}."
    )
