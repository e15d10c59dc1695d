"""How many bits some patches tell about an answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import called, finish, level, line

PATCHES = {
    "informative": "the informative patches",
    "as many others": "as many others",
    "all others": "all others together",
}


def frame(table: pd.DataFrame, fill: str, model: str) -> pd.DataFrame:
    """Columns patches, ratio (in %), value, low, high, entropy (bits) and n of one model, from
    `maskaq.precomputed.claims`."""
    rows = table[(table["fill"] == fill) & (table["model"] == model)]
    made = rows.assign(ratio=100 * rows["ratio"])
    return made[["patches", "ratio", "value", "low", "high", "entropy", "n"]].reset_index(drop=True)


def bounds(table: pd.DataFrame, fill: str, model: str) -> go.Figure:
    """One line per set of patches from `frame`, the entropy of the answers on top."""
    figure = go.Figure()
    for number, (patches, words) in enumerate(PATCHES.items()):
        rows = table[table["patches"] == patches]
        figure.add_scatter(
            name=words,
            x=rows["ratio"],
            **line(rows, number),
            hovertemplate="%{y:.2f} bits (%{customdata[0]:.2f} to %{customdata[1]:.2f}), "
            f"n = %{{customdata[2]:,}}<extra>{words}</extra>",
        )
    most = float(table["entropy"].iloc[0])
    level(figure, most, f"all there is to tell: {most:.2f} bits")
    figure.update_xaxes(title="mask ratio: share of the patches that count as informative, %")
    figure.update_yaxes(title="lower bound of the mutual information, bits")
    count = int(table["n"].max())
    who = called(model)
    title = f"What patches tell about the answer of {who}, the rest {fill}, n = {count:,} scenes"
    return finish(figure, title, 420, legend_below=True)


def describe(table: pd.DataFrame) -> str:
    """The lines in one sentence, from `frame`."""
    nearest = float(table["ratio"].iloc[int(np.abs(table["ratio"].to_numpy() - 30).argmin())])
    rows = table[table["ratio"] == nearest].set_index("patches")["value"]
    parts = [f"{words} {rows[patches]:.2f}" for patches, words in PATCHES.items()]
    most = float(table["entropy"].iloc[0])
    return (
        f"At a mask ratio of {nearest:.0f} %, of {most:.2f} bits at least: {', '.join(parts)} bits."
    )
