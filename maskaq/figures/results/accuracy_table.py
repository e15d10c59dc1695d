"""The accuracy of every sample source with every back-end, at the same bit widths."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import finish, labelled_heatmap, letter_cells
from maskaq.results.table_verdicts import among_the_best

_SHARES = ("p", "q", "lowest", "highest", "low", "high")


def frame(table: pd.DataFrame, bits: str) -> pd.DataFrame:
    """The rows of one number format, shares in %, with retention: Q's top-1 in % of P's.

    table: from `maskaq.precomputed.accuracy_table.over_seeds`.
    """
    rows = table[table["bits"] == bits].drop(columns="bits")
    shares = {name: 100 * rows[name] for name in _SHARES}
    return rows.assign(**shares, retention=100 * rows["q"] / rows["p"]).reset_index(drop=True)


def heatmap(table: pd.DataFrame, bits: str, metric: str = "top-1") -> Chart:
    """A heat map from `frame`: a row per source, a column per back-end.

    metric: what was measured, for the legend.

    Each cell shows the mean over seeds, in bold if its source cannot be told apart from the best
    with this back-end, and half of its 95 % interval.
    """
    rows, columns = list(dict.fromkeys(table["source"])), list(dict.fromkeys(table["backend"]))
    shown = table.assign(
        best=among_the_best(table),
        half=np.maximum(table["high"] - table["q"], table["q"] - table["low"]),
    )[["source", "backend", "q", "half", "best"]]
    cells = (
        (source, backend, mean, f"{_bold(f'{mean:.1f}', best)}<br>±{half:.1f}")
        for source, backend, mean, half, best in shown.itertuples(index=False, name=None)
    )
    figure = go.Figure(
        labelled_heatmap(
            rows,
            columns,
            cells,
            f"{metric}, %",
            showscale=False,
            hovertemplate="%{y}, %{x}<br>%{text}<extra></extra>",
        )
    )
    letter_cells(figure)
    figure.update_xaxes(title="back-end", side="bottom", showgrid=False)
    figure.update_yaxes(title="source of the images", autorange="reversed", showgrid=False)
    seeds, count = _span(table["seeds"]), _span(table["n"])
    what = "Accuracy" if metric == "top-1" else metric
    title = f"{what} of Q at {bits}, %<br><sup>n = {count} images, seeds: {seeds}</sup>"
    finish(figure, title, 140 + 40 * len(rows))
    return Chart(figure, table, _describe(table), "accuracy")


def _bold(text: str, bold: bool) -> str:
    return f"<b>{text}</b>" if bold else text


def _span(values: pd.Series[int]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _describe(table: pd.DataFrame) -> str:
    order = table["q"].to_numpy()
    best, worst = table.iloc[int(order.argmax())], table.iloc[int(order.argmin())]
    data_free = table[table["source"] != "real"]
    summary = f"Best is {best['source']} with {best['backend']} ({best['q']:.1f} %)"
    if best["source"] == "real" and len(data_free):
        top = data_free.iloc[int(data_free["q"].to_numpy().argmax())]
        summary += f", without real images {top['source']} with {top['backend']} ({top['q']:.1f} %)"
    return (
        f"{summary}, worst {worst['source']} with {worst['backend']} ({worst['q']:.1f} %); P has "
        f"{table['p'].mean():.1f} %."
    )
