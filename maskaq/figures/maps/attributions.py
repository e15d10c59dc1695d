"""Seven ways to weigh the patches of a picture, in P and in Q."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from maskaq.figures.style import DIVERGING, SEQUENTIAL, called, finish, heat

MEASURES = {
    "rank correlation with attention": "rank correlation with P's attention",
    "rank correlation with P": "rank correlation with the same method in P",
    "in the informative mask": "share of its 30 % largest patches in the informative mask",
    "precision": "share of its 30 % largest patches on the object",
    "pointing": "its largest patch is on the object",
    "share": "share of its positive weight on the object",
}
Maps = NDArray[np.floating]


def frame(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Columns method, model, value, low, high and n of one measure.

    table: from `maskaq.precomputed.claims`.
    """
    rows = table[table["measure"] == measure]
    return rows[["method", "model", "value", "low", "high", "n"]].reset_index(drop=True)


def compared(table: pd.DataFrame, measure: str) -> go.Figure:
    """A map from `frame`: methods down, models across, intervals in the cells."""
    down, across = list(dict.fromkeys(table["method"])), list(dict.fromkeys(table["model"]))
    cells = table.set_index(["method", "model"])
    values = np.array([[cells.loc[(m, x), "value"] for x in across] for m in down], np.float32)
    words = [
        [
            f"{cells.loc[(m, x), 'value']:.2f}<br>{cells.loc[(m, x), 'low']:.2f} to "
            f"{cells.loc[(m, x), 'high']:.2f}"
            for x in across
        ]
        for m in down
    ]
    figure = go.Figure(
        heat(
            values,
            across,
            down,
            "0 to 1",
            text=words,
            texttemplate="%{text}",
            zmin=min(0.0, float(values.min())),
            zmax=1,
            hovertemplate="%{y} in %{x}: %{z:.2f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="model: P, or Q by its bits", type="category")
    figure.update_yaxes(title="method", autorange="reversed")
    count = int(table["n"].max())
    title = MEASURES[measure]
    return finish(
        figure, f"{title[0].upper()}{title[1:]}, n = {count:,} scenes", 150 + 50 * len(down)
    )


def describe(table: pd.DataFrame, measure: str) -> str:
    """The map in one sentence, from `frame`."""
    model = str(table["model"].iloc[0])
    rows = table[table["model"] == model].sort_values("value")
    return (
        f"{MEASURES[measure]}, in {called(model)}: from {rows['value'].iloc[0]:.2f} "
        f"({rows['method'].iloc[0]}) to {rows['value'].iloc[-1]:.2f} ({rows['method'].iloc[-1]})."
    )


def maps_frame(methods: Sequence[str], maps: dict[str, Maps]) -> pd.DataFrame:
    """Columns model, method, patch and weight, from maps [M,N] by model."""
    rows = [
        pd.DataFrame(
            {"model": model, "method": method, "patch": np.arange(len(row)), "weight": row}
        )
        for model, found in maps.items()
        for method, row in zip(methods, found, strict=True)
    ]
    return pd.concat(rows, ignore_index=True)


def pictured(methods: Sequence[str], maps: dict[str, Maps], grid: tuple[int, int]) -> go.Figure:
    """A small map per method and model: models down, methods across, each on a scale of its own.

    Args:
        maps: weights [M,N] by model, methods in order. grid: rows and columns of patches.
    """
    figure = make_subplots(
        len(maps),
        len(methods),
        column_titles=[name.replace(" ", "<br>") for name in methods],
        row_titles=list(maps),
        horizontal_spacing=0.015,
        vertical_spacing=0.04,
    )
    for down, (model, found) in enumerate(maps.items(), start=1):
        for across, (method, row) in enumerate(zip(methods, found, strict=True), start=1):
            signed = bool((row < 0).any())
            reach = float(np.abs(row).max()) or 1.0
            figure.add_heatmap(
                z=row.reshape(grid).astype(np.float32),
                zmin=-reach if signed else 0,
                zmax=reach,
                colorscale=DIVERGING if signed else SEQUENTIAL,
                reversescale=signed,
                showscale=False,
                hovertemplate=f"patch in row %{{y}}, column %{{x}}: %{{z:.3g}}<extra>{model}, "
                f"{method}</extra>",
                row=down,
                col=across,
            )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False, autorange="reversed")
    title = "Which patches speak for P's answer, by method (each map on its own scale)"
    return finish(figure, title, 120 + 150 * len(maps))


def describe_maps(table: pd.DataFrame) -> str:
    """The maps in one sentence, from `maps_frame`."""
    best = table.loc[table.groupby(["model", "method"], sort=False)["weight"].idxmax()]
    first = best["model"].iloc[0]
    parts = [f"{row.method} {row.patch}" for row in best[best["model"] == first].itertuples()]
    return f"The patch of largest weight in {first}, counted from 0: {', '.join(parts)}."
