"""The metrics of a run at each step, one small chart per metric."""

import math

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from maskaq.config.components import TERMS
from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, finish

_COLUMNS = 3
_NAMES = {"block": "error of a block, relative to nearest rounding"}
_ROW = 210  # pixels
_POINTS = 500  # per chart at most; more slow the page down and are not visible


def quantities(curves: pd.DataFrame) -> list[tuple[str, str]]:
    """The (stage, metric) pairs with at least two values, in order of appearance."""
    metrics = [name for name in curves.columns if name not in ("stage", "step", "seconds")]
    pairs = []
    for stage, rows in curves.groupby("stage", sort=False):
        pairs += [(str(stage), name) for name in metrics if rows[name].notna().sum() > 1]
    return pairs


def curves(table: pd.DataFrame) -> Chart:
    """One chart per stage and metric.

    table: columns stage, step, seconds and one per metric, as stored with a run.
    """
    figure = _multiples(table, quantities(table), "Metrics at each step")
    return Chart(figure, table.dropna(axis=1, how="all"), _describe(table), "curves")


def label(metric: str) -> str:
    """The name of a metric in the app."""
    return TERMS[metric].label if metric in TERMS else _NAMES.get(metric, metric.replace("_", " "))


def _multiples(table: pd.DataFrame, pairs: list[tuple[str, str]], title: str) -> go.Figure:
    columns = min(_COLUMNS, len(pairs)) or 1
    rows = math.ceil(len(pairs) / columns) or 1
    titles = [f"{label(metric)} ({stage})" for stage, metric in pairs]
    spacing = {"horizontal_spacing": 0.08, "vertical_spacing": 0.32 / rows}
    figure = make_subplots(rows, columns, subplot_titles=titles, **spacing)
    for place, (stage, metric) in enumerate(pairs):
        line = table.loc[table["stage"] == stage, ["step", metric]].dropna()
        line = line.iloc[:: math.ceil(len(line) / _POINTS)]
        figure.add_scatter(
            x=line["step"],
            y=line[metric],
            mode="lines",
            line={"color": BLUE, "width": 2},
            name=metric,
            showlegend=False,
            hovertemplate="step %{x}: %{y:.4g}<extra></extra>",
            row=place // columns + 1,
            col=place % columns + 1,
        )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title={"text": "step", "standoff": 2, "font": {"size": 12}})
    return finish(figure, title, 90 + _ROW * rows)


def _describe(table: pd.DataFrame) -> str:
    parts = []
    for stage, metric in quantities(table):
        line = table.loc[table["stage"] == stage, metric].dropna()
        parts.append(f"{label(metric)} from {line.iloc[0]:.3g} to {line.iloc[-1]:.3g}")
    return f"First and last values: {'; '.join(parts)}." if parts else "No metric was measured."
