"""The main metric of a dense task for each class: P against Q."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish


def frame(per_class: NDArray[np.float32], names: Sequence[str]) -> pd.DataFrame:
    """Columns class, P, Q and change, in %, the largest loss first; without classes in no image.

    per_class: of P and Q, [2,K] in 0..1, NaN for a class in no image.
    """
    p, q = 100 * per_class  # [K] each
    table = pd.DataFrame({"class": list(names)[: len(p)], "P": p, "Q": q, "change": q - p})
    return table.dropna().sort_values("change", ignore_index=True)


def changes(table: pd.DataFrame, metric: str, images: int) -> Chart:
    """P and Q of each class, joined by a line.

    table: from `frame`. metric: the main metric, such as `mIoU`, which is IoU for a single class.
    """
    metric = metric.removeprefix("m")
    figure = go.Figure()
    for row in table.itertuples():
        figure.add_scatter(
            x=[row.P, row.Q],
            y=[row[1], row[1]],
            mode="lines",
            line={"color": GREY, "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )
    for name, colour, symbol in (("P", BLUE, "circle"), ("Q", VERMILLION, "diamond")):
        figure.add_scatter(
            name=name,
            x=table[name],
            y=table["class"],
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate="%{y}: %{x:.1f} %<extra>" + name + "</extra>",
        )
    figure.update_xaxes(title=f"{metric} of the class, %")
    figure.update_yaxes(autorange="reversed")
    title = f"{metric} of each class on {images:,} images"
    finish(figure, title, 170 + 26 * len(table), legend_below=True)
    return Chart(figure, table.round(1), _describe(table, metric), "per-class")


def _describe(table: pd.DataFrame, metric: str) -> str:
    if table.empty:
        return "No image has an object."
    worst, best = table.iloc[0], table.iloc[-1]
    return (
        f"{worst['class']} loses most: {metric} {worst['Q']:.1f} % in Q against {worst['P']:.1f} % "
        f"in P; {best['class']} changes by {best['change']:+.1f} points."
    )
