"""How faithfully each quantized tensor of Q still carries its signal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import finish, mark

if TYPE_CHECKING:
    from maskaq.runs.result import RunResult


def frame(result: RunResult) -> pd.DataFrame:
    """The per-tensor report of a run, one row per tensor, in the order of the network."""
    return pd.DataFrame(result.tensors)


def _measured(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["quantized"].astype(bool)]
    return rows[np.isfinite(rows["sqnr_db"].astype(float))]


def sqnr(table: pd.DataFrame) -> go.Figure:
    """Signal-to-quantization-noise ratio of every quantized tensor from `frame`, by role."""
    rows = _measured(table)
    place = pd.Series(range(1, len(rows) + 1), rows.index)
    figure = go.Figure()
    for number, (role, group) in enumerate(rows.groupby("role", sort=False)):
        figure.add_scatter(
            name=str(role),
            mode="markers",
            x=place[group.index],
            y=group["sqnr_db"],
            marker=mark(number) | {"size": 9},
            customdata=group[["tensor", "bits"]],
            hovertemplate="%{customdata[0]}, %{customdata[1]} bits: %{y:.1f} dB<extra></extra>",
        )
    figure.update_xaxes(title="tensor, from the input to the output")
    figure.update_yaxes(title="SQNR, dB")
    title = f"Signal over rounding noise in {len(rows)} quantized tensors (higher is better)"
    return finish(figure, title, 380)


def describe(table: pd.DataFrame) -> str:
    """The chart in one sentence, for those who cannot see it."""
    rows = _measured(table)
    if rows.empty:
        return "No tensor is quantized."
    worst = rows.iloc[int(rows["sqnr_db"].astype(float).argmin())]
    return (
        f"The ratio runs from {rows['sqnr_db'].min():.1f} to {rows['sqnr_db'].max():.1f} dB; "
        f"lowest is {worst['tensor']} ({worst['role']}, {worst['bits']} bits)."
    )
