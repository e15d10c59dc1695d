"""The informative region over its picture, and how well it meets the true foreground."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.maps import outline
from maskaq.figures.pictures import bare, trace
from maskaq.figures.style import BLUE, VERMILLION, finish, mark, whiskers
from maskaq.regions.numpy_masks import Overlap

Mask = NDArray[np.bool_]
INFORMATIVE, FOREGROUND = (BLUE, "solid"), (VERMILLION, "dot")  # colour and dash of the borders
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
    more = {"foreground": foreground, "attention": alpha}
    return table.assign(**{name: column for name, column in more.items() if column is not None})


def overlay(
    image: NDArray[np.uint8],
    mask: Mask,
    grid: tuple[int, int],
    foreground: Mask | None = None,
    title: str = "The informative region",
) -> go.Figure:
    """An image [3,S,S] with all but the patches of a mask [N] darkened, and borders.

    The border of the mask is solid, that of the true foreground [N] dotted.
    """
    patch = image.shape[1] / grid[0]
    figure = go.Figure(trace(image))
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
    borders = [(f"informative: {mask.sum()} of {mask.size} patches", mask, INFORMATIVE)]
    if foreground is not None:
        borders.append((f"true foreground: {foreground.sum()} patches", foreground, FOREGROUND))
    drawn = []
    for name, marked, look in borders:
        figure.add_trace(outline.key(name, *look))
        drawn += outline.shapes(outline.path(marked, grid, patch), *look)
    figure.update_layout(shapes=drawn, legend={"orientation": "h", "y": -0.02, "x": 0})
    bare(figure)
    return finish(figure, title, 430)


def describe(table: pd.DataFrame) -> str:
    """The overlay in one sentence, from `frame`."""
    mask = table["informative"]
    centre = table.loc[mask, ["row", "column"]].mean()
    said = (
        f"{mask.sum()} of {len(table)} patches are informative, centred on row "
        f"{centre['row']:.1f} and column {centre['column']:.1f} (counted from 0)"
    )
    if "foreground" not in table:
        return said + "."
    truth = table["foreground"]
    return f"{said}; {(mask & truth).sum()} of them lie on the true foreground of {truth.sum()}."


def overlap_frame(
    scene: Overlap,
    scenes: Mapping[str, tuple[float, float, float]] | None = None,
    random: Mapping[str, tuple[float, float, float]] | None = None,
    n: int = 0,
) -> pd.DataFrame:
    """Columns mask, measure, value, low, high (in %), n (images) and counts (words).

    Args:
        scene: the overlap of the scene shown; it has counts and no interval.
        scenes, random: measure (`precision`, `recall`, `IoU`) to mean, low and high in 0..1 over n
            scenes, by attention and by random masks of equal size.
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


def overlap(table: pd.DataFrame) -> go.Figure:
    """Precision, recall and IoU from `overlap_frame`, dots with their 95 % intervals."""
    figure = go.Figure()
    for number, (who, rows) in enumerate(table.groupby("mask", sort=False)):
        figure.add_scatter(
            name=str(who),
            mode="markers+text",
            x=rows["value"],
            y=[rows["measure"], [str(who)] * len(rows)],
            marker=mark(number) | {"size": 12},
            text=rows["counts"],
            textposition=[_beside(value) for value in rows["value"]],
            error_x=whiskers(rows),
            showlegend=False,
            customdata=rows[["low", "high", "n"]],
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            f"n = %{{customdata[2]}}<extra>{who}</extra>",
        )
    figure.update_xaxes(title="share of patches, %", range=[-2, 102])
    figure.update_yaxes(autorange="reversed")
    title = "Informative region against true foreground, with 95 % intervals over scenes"
    return finish(figure, title, 130 + 28 * len(table))


def _beside(value: float) -> str:
    return "middle left" if value > 70 else "middle right"


def describe_overlap(table: pd.DataFrame) -> str:
    """The chart in one sentence, from `overlap_frame`."""
    here = table[table["mask"] == "this scene"].set_index("measure")
    share = here["value"].round().astype(int)
    said = (
        f"In this scene {here['counts']['precision']} of the mask lie on the foreground "
        f"({share['precision']} %), which covers {share['recall']} % of it"
    )
    means = table[(table["measure"] == "precision") & (table["mask"] != "this scene")]
    parts = [f"{row['mask']} {row['value']:.0f} %" for _, row in means.iterrows()]
    return f"{said}; precision elsewhere: {', '.join(parts)}." if parts else said + "."


def ratios(table: pd.DataFrame, ratio: float, measure: str = "IoU") -> go.Figure:
    """One measure of the overlap at every mask ratio, the chosen ratio marked.

    Args:
        table: columns mask (`attention`, `random`), ratio, measure, value, low, high (in %) and n.
    """
    figure = go.Figure()
    rows = table[table["measure"] == measure]
    for number, (who, line) in enumerate(rows.groupby("mask", sort=False)):
        look = mark(number)
        figure.add_scatter(
            name=f"{who} masks",
            mode="lines+markers",
            x=line["ratio"],
            y=line["value"],
            error_y=whiskers(line),
            marker=look,
            line={"color": look["color"], "dash": ("solid", "dash", "dot")[number % 3]},
            hovertemplate=f"ratio %{{x:.2f}}: %{{y:.1f}} %<extra>{who}</extra>",
        )
    figure.add_vline(x=ratio, line={"dash": "dot", "width": 2, "color": VERMILLION})
    figure.add_annotation(x=ratio, y=1, yref="paper", yanchor="bottom", text=f"now {ratio:g}")
    figure.update_annotations(showarrow=False)
    figure.update_xaxes(title="mask ratio, share of the patches")
    figure.update_yaxes(title=f"{measure}, %", rangemode="tozero")
    count = int(rows["n"].max())
    title = f"{measure} by mask ratio, mean of {count:,} scenes"
    return finish(figure, title, 360, legend_below=True)


def describe_ratios(table: pd.DataFrame, measure: str = "IoU") -> str:
    """The chart in one sentence."""
    rows = table[table["measure"] == measure]
    parts = []
    for who, line in rows.groupby("mask", sort=False):
        best = line.iloc[int(line["value"].to_numpy().argmax())]
        parts.append(f"{who} masks reach {best['value']:.0f} % at ratio {best['ratio']:g}")
    return f"Highest {measure}: {'; '.join(parts)}."
