"""The informative region of an image, and its overlap with the true foreground."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.chart import Chart
from maskaq.figures.maps import outline, patches
from maskaq.figures.pictures import bare, trace
from maskaq.figures.style import (
    BLUE,
    VERMILLION,
    error_bars,
    finish,
    marker_style,
    point_style,
    targets,
)
from maskaq.regions.numpy_masks import Overlap

Mask = NDArray[np.bool_]
INFORMATIVE, FOREGROUND = (BLUE, "solid"), (VERMILLION, "dot")  # colour and dash of the outlines
_SHADE = [[0, "rgba(0,0,0,0.6)"], [1, "rgba(0,0,0,0.6)"]]
_MEASURES = ("precision", "recall", "IoU")


def frame(
    mask: Mask,
    grid: tuple[int, int],
    foreground: Mask | None = None,
    alpha: NDArray[np.floating] | None = None,
) -> pd.DataFrame:
    """Columns patch, row, column, informative and, where given, foreground and attention."""
    rows, columns = np.divmod(np.arange(mask.size), grid[1])
    table = pd.DataFrame(
        {"patch": np.arange(mask.size), "row": rows, "column": columns, "informative": mask}
    )
    optional = {"foreground": foreground, "attention": alpha}
    return table.assign(**{name: column for name, column in optional.items() if column is not None})


def overlay(
    image: NDArray[np.uint8],
    mask: Mask,
    grid: tuple[int, int],
    foreground: Mask | None = None,
    alpha: NDArray[np.floating] | None = None,
    title: str = "The informative region",
    *,
    outline_foreground: bool = True,
    dim: bool = True,
    query: int | None = None,
    height: int = 430,
) -> Chart:
    """An image [3,S,S] with an outline of a mask [N]. A click on a patch returns its number.

    Args:
        grid: rows and columns of patches.
        foreground: patches of the true foreground [N]; their outline is dotted.
        alpha: attention to the patches [N], for the table.
        outline_foreground: whether the figure, and not just the table, shows the foreground.
        dim: whether to darken the patches outside the mask.
        query: a patch to mark with a cross. height: in pixels.
    """
    patch = image.shape[1] / grid[0]
    figure = go.Figure(trace(image))
    if dim:
        figure.add_heatmap(
            z=np.where(mask, np.nan, 1).reshape(grid).astype(np.float32),
            x0=(patch - 1) / 2,
            dx=patch,
            y0=(patch - 1) / 2,
            dy=patch,
            colorscale=_SHADE,
            showscale=False,
            hoverinfo="skip",
        )
    outlines = [(f"informative: {mask.sum()} of {mask.size} patches", mask, INFORMATIVE)]
    if foreground is not None and outline_foreground:
        outlines.append((f"true foreground: {foreground.sum()} patches", foreground, FOREGROUND))
    shapes = patches.cross(query, grid, patch)
    for name, inside, style in outlines:
        figure.add_trace(outline.key(name, *style))
        shapes += outline.shapes(outline.path(inside, grid, patch), *style)
    figure.update_layout(shapes=shapes, legend={"orientation": "h", "y": -0.02, "x": 0})
    patches.clickable(figure, grid, patches.names(grid), side=patch)
    bare(figure)
    table = frame(mask, grid, foreground, alpha)
    return Chart(finish(figure, title, height), table, _describe(table), "region")


def _describe(table: pd.DataFrame) -> str:
    mask = table["informative"]
    centre = table.loc[mask, ["row", "column"]].mean()
    summary = (
        f"{mask.sum()} of {len(table)} patches are informative, centred on row "
        f"{centre['row']:.1f} and column {centre['column']:.1f} (counted from 0)"
    )
    if "foreground" not in table:
        return summary + "."
    truth = table["foreground"]
    return (
        f"{summary}; {(mask & truth).sum()} of them are among the {truth.sum()} patches of the "
        "true foreground."
    )


def overlap_frame(
    scene: Overlap,
    scenes: Mapping[str, tuple[float, float, float]] | None = None,
    random: Mapping[str, tuple[float, float, float]] | None = None,
    n: int = 0,
) -> pd.DataFrame:
    """Columns mask, measure, value, low, high (in %), n (images) and counts (as text).

    Args:
        scene: the overlap in one scene, which has counts and no interval.
        scenes, random: (mean, low, high) in 0..1 over n scenes by measure (`precision`, `recall`,
            `IoU`), for informative masks and for random masks of equal size.
        n: number of scenes.
    """
    among = {"precision": scene.chosen, "recall": scene.true, "IoU": scene.either}
    values = dict(zip(_MEASURES, scene[:3], strict=True))
    counts = {name: f"{scene.hits} of {count} patches" for name, count in among.items()}
    rows: list[tuple[object, ...]] = [
        ("this scene", name, 100 * values[name], np.nan, np.nan, 1, counts[name])
        for name in _MEASURES
    ]
    for who, means in ((f"mean of {n:,} scenes", scenes), (f"random masks, {n:,} scenes", random)):
        for name in _MEASURES if means else ():
            rows.append((who, name, *(100 * number for number in (means or {})[name]), n, ""))
    columns = ["mask", "measure", "value", "low", "high", "n", "counts"]
    return pd.DataFrame(rows, columns=columns)


def overlap(table: pd.DataFrame) -> Chart:
    """Precision, recall and IoU from `overlap_frame`, with 95 % intervals."""
    figure = go.Figure()
    for number, (who, rows) in enumerate(table.groupby("mask", sort=False)):
        figure.add_scatter(
            name=str(who),
            y=[rows["measure"], [str(who)] * len(rows)],
            text=rows["counts"],
            textposition=np.where(rows["value"] > 70, "middle left", "middle right"),
            showlegend=False,
            **point_style(rows, marker_style(number), str(who)) | {"mode": "markers+text"},
        )
    figure.update_xaxes(title="share of patches, %", range=[-2, 102])
    figure.update_yaxes(autorange="reversed")
    title = "Informative region and true foreground<br>with 95 % intervals over scenes"
    finish(figure, title, 130 + 28 * len(table))
    return Chart(figure, table, _describe_overlap(table), "overlap")


def _describe_overlap(table: pd.DataFrame) -> str:
    here = table[table["mask"] == "this scene"].set_index("measure")
    share = here["value"].round().astype(int)
    summary = (
        f"In this scene {here['counts']['precision']} of the mask are on the foreground "
        f"({share['precision']} %); they cover {share['recall']} % of it"
    )
    means = table[(table["measure"] == "precision") & (table["mask"] != "this scene")]
    parts = [f"{row['mask']} {row['value']:.0f} %" for _, row in means.iterrows()]
    return f"{summary}; precision elsewhere: {', '.join(parts)}." if parts else summary + "."


def ratios(table: pd.DataFrame, ratio: float, measure: str = "IoU") -> Chart:
    """One measure of the overlap at every mask ratio, with a vertical line at the chosen ratio.

    A click on a point returns its mask ratio.

    table: columns mask (`informative`, `random`), ratio, measure, value, low, high (in %) and n.
    """
    figure = go.Figure()
    rows = table[table["measure"] == measure]
    for number, (who, line) in enumerate(rows.groupby("mask", sort=False)):
        style = marker_style(number)
        figure.add_scatter(
            name=f"{who} masks",
            mode="lines+markers",
            x=line["ratio"],
            y=line["value"],
            error_y=error_bars(line),
            marker=style,
            line={"color": style["color"], "dash": ("solid", "dash", "dot")[number % 3]},
            hovertemplate=f"ratio %{{x:.2f}}: %{{y:.1f}} %<extra>{who}</extra>",
        )
        hover = [f"{who} masks, ratio {one:g}" for one in line["ratio"]]
        targets(figure, line["ratio"], line["value"], line["ratio"].tolist(), hover, size=6)
    figure.add_vline(x=ratio, line={"dash": "dot", "width": 2, "color": VERMILLION})
    figure.add_annotation(x=ratio, y=1, yref="paper", yanchor="bottom", text=f"now {ratio:g}")
    figure.update_annotations(showarrow=False)
    figure.update_xaxes(title="mask ratio, share of the patches")
    figure.update_yaxes(title=f"{measure}, %", rangemode="tozero")
    count = int(rows["n"].max())
    title = f"{measure} by mask ratio, mean of {count:,} scenes"
    finish(figure, title, 360, legend_below=True)
    parts = []
    for who, line in rows.groupby("mask", sort=False):
        best = line.iloc[int(line["value"].to_numpy().argmax())]
        parts.append(f"{who} masks reach {best['value']:.0f} % at ratio {best['ratio']:g}")
    return Chart(figure, table, f"Highest {measure}: {'; '.join(parts)}.", "overlap-by-ratio")
