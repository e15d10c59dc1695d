"""Accuracies printed in papers, of one table at one number format."""

from __future__ import annotations

import textwrap

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import finish, labelled_heatmap, letter_cells

_ABOUT = ["method", "data", "tag", "note"]
_ROW = 24  # pixels of a line
_WIDTH = 18  # characters of a label before it wraps


def frame(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per printed row, one column per model, top-1 in %.

    rows: of `maskaq.precomputed.published.frame`, of one table and one number format.
    """
    wide = rows.pivot_table(index=_ABOUT, columns="model", values="top1", sort=False)
    return wide[list(dict.fromkeys(rows["model"]))].reset_index().rename_axis(columns=None)


def heatmap(rows: pd.DataFrame, bits: str) -> Chart:
    """A row per method, a column per model."""
    table = frame(rows)
    models = [name for name in table.columns if name not in _ABOUT]
    labels = _labels(table)
    cells = (
        (label, model, value, f"{value:.1f}")
        for label, (_, row) in zip(labels, table.iterrows(), strict=True)
        for model, value in row[models].dropna().items()
    )
    figure = go.Figure(
        labelled_heatmap(
            labels,
            models,
            cells,
            "top-1, %",
            showscale=False,
            hovertemplate="%{y}, %{x}: %{z:.2f} %<extra></extra>",
        )
    )
    letter_cells(figure)
    figure.update_xaxes(title="model", side="bottom", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    finish(figure, f"Published top-1 accuracy at {bits}, %", 150 + _ROW * sum(map(_lines, labels)))
    return Chart(figure, table, _describe(table, models, bits), f"published-{bits}")


def _labels(table: pd.DataFrame) -> list[str]:
    """The methods; where one has several rows, with their notes, or who reported them."""
    repeated = table["method"].duplicated(keep=False)
    apart = table["note"].where(table["note"] != "", table["tag"])
    texts = table["method"] + (", " + apart).where(repeated, "")
    return ["<br>".join(textwrap.wrap(text, _WIDTH)) for text in texts]


def _lines(label: str) -> int:
    return 1 + label.count("<br>")


def _describe(table: pd.DataFrame, models: list[str], bits: str) -> str:
    values = table[models]
    return (
        f"{len(table)} methods on {len(models)} models at {bits}, published: from "
        f"{values.min().min():.1f} to {values.max().max():.1f} %."
    )
