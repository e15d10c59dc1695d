"""What a run measured at each of its steps, one small chart per quantity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from maskaq.figures.style import BLUE, VERMILLION, finish

_COLUMNS = 3
_ROW = 210  # pixels
_POINTS = 500  # at most, per chart: more cannot be seen and slows the page


def quantities(curves: pd.DataFrame) -> list[tuple[str, str]]:
    """The (stage, metric) pairs with at least two values, in order of appearance."""
    metrics = [name for name in curves.columns if name not in ("stage", "step", "seconds")]
    found = []
    for stage, rows in curves.groupby("stage", sort=False):
        found += [(str(stage), name) for name in metrics if rows[name].notna().sum() > 1]
    return found


def curves(table: pd.DataFrame) -> go.Figure:
    """Small multiples from a frame with the columns stage, step, seconds and one per metric."""
    return _multiples(table, quantities(table), "What was measured at each step")


def terms(table: pd.DataFrame, metrics: Sequence[str], step: int | None = None) -> go.Figure:
    """Only these metrics of the synthesis, with a line at one step, for scrubbing back."""
    pairs = [pair for pair in quantities(table) if pair[0] == "synthesis" and pair[1] in metrics]
    title = "What was measured at each step of the synthesis"
    figure = _multiples(table, pairs, title if step is None else f"{title}; line at step {step}")
    if step is not None and pairs:
        figure.add_vline(x=step, line={"dash": "dot", "width": 2, "color": VERMILLION})
    return figure


def _multiples(table: pd.DataFrame, pairs: list[tuple[str, str]], title: str) -> go.Figure:
    columns = min(_COLUMNS, len(pairs)) or 1
    rows = math.ceil(len(pairs) / columns) or 1
    titles = [f"{metric.replace('_', ' ')} ({stage})" for stage, metric in pairs]
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


def describe(table: pd.DataFrame) -> str:
    """The charts in one sentence, for those who cannot see them."""
    parts = []
    for stage, metric in quantities(table):
        line = table.loc[table["stage"] == stage, metric].dropna()
        parts.append(f"{metric.replace('_', ' ')} from {line.iloc[0]:.3g} to {line.iloc[-1]:.3g}")
    return f"First and last values: {'; '.join(parts)}." if parts else "Nothing was measured."
