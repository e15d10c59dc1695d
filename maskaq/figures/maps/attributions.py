"""Seven attribution methods over the patches of an image, in P and in Q."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from maskaq.figures.chart import Chart
from maskaq.figures.maps import patches
from maskaq.figures.pictures import axis, bare
from maskaq.figures.style import (
    DIVERGING,
    SEQUENTIAL,
    finish,
    labelled_heatmap,
    letter_cells,
    model_label,
)

MEASURES = {
    "rank correlation with attention": "rank correlation with P's attention",
    "rank correlation with P": "rank correlation with the same method in P",
    "in the informative mask": "top 30 % of patches in the informative mask",
    "precision": "top 30 % of patches on the object",
    "pointing": "its top patch is on the object",
    "share": "share of its positive weight on the object",
}
Maps = NDArray[np.floating]


def frame(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Columns method, model, value, low, high and n of one measure.

    table: from `maskaq.precomputed.claims`.
    """
    rows = table[table["measure"] == measure]
    return rows[["method", "model", "value", "low", "high", "n"]].reset_index(drop=True)


def heatmap(table: pd.DataFrame, measure: str) -> Chart:
    """A heat map from `frame`: a row per method, a column per model, with intervals."""
    table = table.assign(model=[model_label(model) for model in table["model"]])
    rows, columns = list(dict.fromkeys(table["method"])), list(dict.fromkeys(table["model"]))
    shown = table[["method", "model", "value", "low", "high"]].itertuples(index=False, name=None)
    cells = (
        (method, model, value, f"{value:.2f}<br>{low:.2f} to {high:.2f}")
        for method, model, value, low, high in shown
    )
    figure = go.Figure(
        labelled_heatmap(
            rows,
            columns,
            cells,
            "0 to 1",
            zmin=float(np.floor(table["value"].min() * 10 + 1e-6) / 10),
            zmax=1,
            hovertemplate="%{y} in %{x}: %{z:.2f}<extra></extra>",
        )
    )
    letter_cells(figure)
    figure.update_xaxes(title="model", type="category")
    figure.update_yaxes(title="method", autorange="reversed")
    count = int(table["n"].max())
    title = MEASURES[measure]
    title = f"{title[0].upper()}{title[1:]}<br>n = {count:,} scenes"
    finish(figure, title, 150 + 50 * len(rows))
    return Chart(figure, table, _describe(table, measure), f"attributions-{measure}")


def _describe(table: pd.DataFrame, measure: str) -> str:
    model = str(table["model"].iloc[0])
    rows = table[table["model"] == model].sort_values("value")
    return (
        f"{MEASURES[measure]}, in {model}: from {rows['value'].iloc[0]:.2f} "
        f"({rows['method'].iloc[0]}) to {rows['value'].iloc[-1]:.2f} ({rows['method'].iloc[-1]})."
    )


def maps_frame(methods: Sequence[str], maps: dict[str, Maps]) -> pd.DataFrame:
    """Columns model, method, patch and weight, from maps [M,N] by model."""
    rows = [
        pd.DataFrame(
            {"model": model, "method": method, "patch": np.arange(len(row)), "weight": row}
        )
        for model, weights in maps.items()
        for method, row in zip(methods, weights, strict=True)
    ]
    return pd.concat(rows, ignore_index=True)


def patch_maps(
    methods: Sequence[str],
    maps: dict[str, Maps],
    grid: tuple[int, int],
    patch: int | None = None,
) -> Chart:
    """One map per model (row) and method (column), each with its own colour scale.

    A click on a patch returns its number.

    Args:
        methods: names of the M methods.
        maps: weights of the patches [M,N] by model.
        grid: rows and columns of patches.
        patch: a patch to mark with a cross in every map.
    """
    figure = make_subplots(
        len(maps),
        len(methods),
        column_titles=[name.replace(" ", "<br>") for name in methods],
        row_titles=[model_label(model) for model in maps],
        horizontal_spacing=0.015,
        vertical_spacing=0.04,
    )
    for line, (model, weights) in enumerate(maps.items(), start=1):
        for column, (method, row) in enumerate(zip(methods, weights, strict=True), start=1):
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
                row=line,
                col=column,
            )
    bare(figure)
    figure.update_annotations(font={"size": 13})
    title = "Which patches support P's prediction<br>each map has its own colour scale"
    table = maps_frame(methods, maps)
    axes = [axis(number) for number in range(len(maps) * len(methods))]
    for one in axes:
        for shape in patches.cross(patch, grid, axis=one):
            figure.add_shape(shape)
    words = [
        f"{row.model}, {row.method}<br>{name}: {row.weight:.3g}"
        for row, name in zip(table.itertuples(), patches.names(grid) * len(axes), strict=True)
    ]
    patches.clickable(figure, grid, words, axes=axes)
    finish(figure, title, 130 + 120 * len(maps)).update_layout(margin_t=108)
    return Chart(figure, table, _describe_maps(table), "attributions")


def _describe_maps(table: pd.DataFrame) -> str:
    best = table.loc[table.groupby(["model", "method"], sort=False)["weight"].idxmax()]
    first = best["model"].iloc[0]
    parts = [f"{row.method} {row.patch}" for row in best[best["model"] == first].itertuples()]
    return f"The patch with the largest weight in {first}, counted from 0: {', '.join(parts)}."
