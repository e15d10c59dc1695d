"""The signal-to-quantization-noise ratio (SQNR) of each quantized tensor of Q."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import finish, labelled_heatmap, marker_style

if TYPE_CHECKING:
    from maskaq.results.result import RunResult


def frame(result: RunResult) -> pd.DataFrame:
    """The per-tensor report of a run, one row per tensor, in the order of the network."""
    return pd.DataFrame(result.tensors)


def _measured(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["quantized"].astype(bool)]
    return rows[np.isfinite(rows["sqnr_db"].astype(float))]


def sqnr(table: pd.DataFrame) -> Chart:
    """SQNR of every quantized tensor from `frame`, by role."""
    rows = _measured(table)
    place = pd.Series(range(1, len(rows) + 1), rows.index)
    figure = go.Figure()
    for number, (role, group) in enumerate(rows.groupby("role", sort=False)):
        figure.add_scatter(
            name=str(role),
            mode="markers",
            x=place[group.index],
            y=group["sqnr_db"],
            marker=marker_style(number) | {"size": 9},
            customdata=group[["tensor", "bits"]],
            hovertemplate="%{customdata[0]}, %{customdata[1]} bits: %{y:.1f} dB<extra></extra>",
        )
    figure.update_xaxes(title="tensor, from input to output")
    figure.update_yaxes(title="SQNR, dB")
    title = f"Signal over rounding noise in {len(rows)} quantized tensors (higher is better)"
    return Chart(finish(figure, title, 380), table, _describe(table), "sqnr")


def _describe(table: pd.DataFrame) -> str:
    rows = _measured(table)
    if rows.empty:
        return "No tensor is quantized."
    worst = rows.iloc[int(rows["sqnr_db"].astype(float).argmin())]
    return (
        f"The SQNR is between {rows['sqnr_db'].min():.1f} and {rows['sqnr_db'].max():.1f} dB; "
        f"it is lowest in {worst['tensor']} ({worst['role']}, {worst['bits']} bits)."
    )


# A tensor inside a block: the block's number (Swin's with the stage), then its name in the block.
_IN_BLOCK = re.compile(
    r"^(?:layers\.(\d+)\.)?blocks\.(\d+)\.(?:[\w.]*?\.)?([^.]+\.(?:input(?:\.\w+)?|weight)|\w+)$"
)


def layers_frame(table: pd.DataFrame) -> pd.DataFrame:
    """The quantized tensors of `frame` with the columns block, part, role, bits and sqnr_db.

    block: `block 3`, or the layer's name outside the blocks. part: the tensor, as `qkv.weight`.
    """
    rows = table[table["quantized"].astype(bool)]
    places = [place(str(name)) for name in rows["tensor"]]
    layers = pd.DataFrame(places, columns=["block", "part"], index=rows.index)
    layers = layers.assign(role=rows["role"], bits=rows["bits"], sqnr_db=rows["sqnr_db"])
    return layers.reset_index(drop=True)


def place(tensor: str) -> tuple[str, str]:
    """Split a tensor's name into `block 3`, or the layer outside the blocks, and the rest.

    >>> place("blocks.3.mlp.fc2.input")
    ('block 3', 'fc2.input')
    >>> place("blocks.3.mlp.fc2.input.patches")
    ('block 3', 'fc2.input.patches')
    """
    match = _IN_BLOCK.match(tensor)
    if match is None:
        layer, _, part = tensor.rpartition(".")
        return layer or tensor, part
    stage, block, part = match.groups()
    return (f"block {stage}.{block}" if stage else f"block {block}"), part


def layers(table: pd.DataFrame) -> Chart:
    """A heat map of bits and SQNR of the tensors inside blocks, from `frame`; a row per block."""
    every = layers_frame(table)
    inside = every[every["block"].str.startswith("block ")]
    blocks, parts = list(dict.fromkeys(inside["block"])), list(dict.fromkeys(inside["part"]))
    sqnr = inside["sqnr_db"].astype(float)  # NaN where a tensor is exact
    labels = [
        f"{bits}b<br>{f'{value:.1f}' if np.isfinite(value) else 'exact'}"
        for bits, value in zip(inside["bits"], sqnr, strict=True)
    ]
    figure = go.Figure(
        labelled_heatmap(
            blocks,
            parts,
            zip(inside["block"], inside["part"], sqnr, labels, strict=True),
            "SQNR, dB",
            hovertemplate="%{y}, %{x}: %{text} dB<extra></extra>",
        )
    )
    figure.update_xaxes(title="tensor in the block", side="bottom", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    title = f"Bits and SQNR in dB of {len(inside)} tensors in {len(blocks)} blocks"
    finish(figure, title, 160 + 44 * len(blocks))
    return Chart(figure, every, _describe_layers(inside), "layers")


def _describe_layers(inside: pd.DataFrame) -> str:
    rows = inside[inside["sqnr_db"].notna()]
    if rows.empty:
        return "No tensor inside a block is quantized."
    means = rows.assign(sqnr_db=rows["sqnr_db"].astype(float)).groupby("part")["sqnr_db"].mean()
    return (
        f"Averaged over blocks, {means.idxmin()} has the lowest SQNR ({means.min():.1f} dB) and "
        f"{means.idxmax()} the highest ({means.max():.1f} dB)."
    )
