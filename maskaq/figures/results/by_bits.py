"""The accuracy of Q against its number format, one line per sample source."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.results.accuracy import sources_frame
from maskaq.figures.style import finish, line_style, reference_line
from maskaq.results.result import RunResult


def frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns source, bits, value, low, high (top-1 in %) and n; P has the source `none`.

    Sorted from the widest format to the narrowest, by weight bits, then activation bits.
    """
    table = sources_frame(results).drop(columns=["model", "backend"])
    width = (
        table["bits"]
        .str.extract(r"W(?P<weights>[\d.]+)A(?P<activations>\d)")
        .astype(float)
        .fillna(32)
    )
    order = width.sort_values(["weights", "activations"], ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def lines(results: Sequence[RunResult]) -> Chart:
    """One line per source, and a dashed horizontal line for P."""
    table = frame(results)
    p, q = table[table["source"] == "none"], table[table["source"] != "none"]
    figure = go.Figure()
    for number, (source, rows) in enumerate(q.groupby("source", sort=False)):
        figure.add_scatter(
            name=f"Q from {source}",
            x=rows["bits"],
            line_dash="solid" if number == 0 else "dot",
            **line_style(rows, number),
            hovertemplate="%{y:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            "n = %{customdata[2]}<extra>%{x}</extra>",
        )
    for value in p["value"].unique():
        reference_line(figure, value, f"P, {value:.1f} %")
    figure.update_xaxes(title="number format of Q", type="category")
    figure.update_yaxes(title="top-1 accuracy, %")
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"The fewer bits, the more the images matter (tested on {counts} images)"
    finish(figure, title, 380, legend_below=True)
    return Chart(figure, table, _describe(table), "accuracy-by-bits")


def _describe(table: pd.DataFrame) -> str:
    parts = []
    for source, rows in table[table["source"] != "none"].groupby("source", sort=False):
        shares = ", ".join(
            f"{value:.1f} % at {bits}"
            for bits, value in rows[["bits", "value"]].itertuples(index=False)
        )
        parts.append(f"Q from {source}: {shares}")
    return f"{'; '.join(parts)}."
