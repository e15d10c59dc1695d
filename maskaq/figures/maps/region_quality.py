"""How well patch maps find the object: by map, by block and by head."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import (
    error_bars,
    finish,
    in_percent,
    marker_style,
    model_label,
    point_style,
)

LABELS = {
    "precision": "precision: share of the mask on the object",
    "recall": "recall: share of the object in the mask",
    "iou": "IoU: mask and object over their union",
    "pointing": "pointing: the top patch is on the object",
    "share": "share of the attention on the object",
}
SHORT = {"iou": "IoU", "share": "share of the<br>attention"}
_MAPS = {"random": "random map", "centre": "centre prior"}
_SHARES = ("value", "low", "high")


def frame(table: pd.DataFrame, images: str, truth: str, ratio: float) -> pd.DataFrame:
    """Columns who (P, Q by bit widths, or a baseline), measure, value, low, high (in %) and n.

    Args:
        table: from `maskaq.precomputed.claims`.
        images: `scenes` or `synthetic`.
        truth: what the maps are compared with, `foreground` or `occlusion`.
        ratio: mask ratio of the measures of a mask.
    """
    averaged = (table["block"] == -1) & (table["head"] == -1)
    near = np.isclose(table["ratio"], ratio) | table["ratio"].isna()
    rows = table[averaged & near & (table["images"] == images) & (table["truth"] == truth)]
    who = [
        _MAPS.get(kind, f"attention in {model_label(model)}")
        for kind, model in zip(rows["map"], rows["model"], strict=True)
    ]
    rows = in_percent(rows).assign(who=who)
    return rows[["who", "measure", *_SHARES, "n"]].reset_index(drop=True)


def quality(table: pd.DataFrame, title: str) -> Chart:
    """Points with 95 % intervals, from `frame`; a row per measure."""
    figure = go.Figure()
    for number, (who, rows) in enumerate(table.groupby("who", sort=False)):
        figure.add_scatter(
            name=str(who),
            y=[SHORT.get(measure, measure) for measure in rows["measure"]],
            orientation="h",  # with the scatter mode below, maps of equal quality are side by side
            **point_style(rows, marker_style(number), str(who), size=10),
        )
    figure.update_layout(scattermode="group", scattergap=0.3)
    figure.update_xaxes(title="%, mean over images", range=[0, 102])
    figure.update_yaxes(autorange="reversed")
    count = int(table["n"].max()) if len(table) else 0
    finish(figure, f"{title}<br>n = {count:,} images", 400, legend_below=True)
    precision = table[table["measure"] == "precision"].set_index("who")["value"]
    parts = [f"{who} {value:.0f} %" for who, value in precision.items()]
    alt = f"Share of the mask that lies on the object: {', '.join(parts)}."
    return Chart(figure, table, alt, "region-truth")


def blocks_frame(table: pd.DataFrame, model: str, measure: str, ratio: float) -> pd.DataFrame:
    """Columns block, head (-1: mean over heads), value, low, high (in %) and n of one model."""
    rows = table[(table["model"] == model) & (table["measure"] == measure) & (table["block"] >= 0)]
    rows = rows[np.isclose(rows["ratio"], ratio) | rows["ratio"].isna()]
    return in_percent(rows)[["block", "head", *_SHARES, "n"]].reset_index(drop=True)


def blocks(table: pd.DataFrame, model: str, measure: str) -> Chart:
    """A point per head, and a line for the mean over the heads of each block, from `blocks_frame`.

    Points of heads are not connected, because heads of different blocks are unrelated.
    """
    figure = go.Figure()
    mean, heads = table[table["head"] == -1], table[table["head"] >= 0]
    for number, (name, rows) in enumerate((("mean over heads", mean), ("single heads", heads))):
        single = name == "single heads"
        figure.add_scatter(
            name=name,
            mode="markers+text" if single else "lines+markers",
            x=rows["block"],
            y=rows["value"],
            marker=marker_style(number) | {"size": 9 if single else 12},
            line={"width": 2},
            error_y=error_bars(rows) | {"thickness": 1 if single else 2},
            text=rows["head"] if single else None,
            textposition="middle right",
            customdata=rows[["low", "high", "n", "head"]],
            hovertemplate="block %{x}: %{y:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            f"n = %{{customdata[2]:,}}<extra>{name}</extra>",
        )
    figure.update_xaxes(title="block, counted from 0 (next to each point: its head)", dtick=1)
    figure.update_yaxes(title="%, mean over scenes", range=[0, 102])
    count = int(table["n"].max())
    title = f"{LABELS[measure]}<br>{model_label(model)}, n = {count:,} scenes"
    finish(figure, title[0].upper() + title[1:], 420, legend_below=True)
    worst, best = (
        f"head {row.head} of block {row.block} ({row.value:.0f} %)"
        for row in heads.sort_values("value").iloc[[0, -1]].itertuples()
    )
    alt = f"Highest in {best}, lowest in {worst}."
    return Chart(figure, table, alt, f"region-truth-{model}-{measure}")
