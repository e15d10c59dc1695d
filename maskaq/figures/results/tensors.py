"""How faithfully each quantized tensor of Q still carries its signal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import finish, heat, mark

if TYPE_CHECKING:
    from maskaq.results.result import RunResult


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


# A tensor inside a block: its number (Swin's with the stage), then what it is there.
_IN_BLOCK = re.compile(
    r"^(?:layers\.(\d+)\.)?blocks\.(\d+)\.(?:[\w.]*?\.)?([^.]+\.(?:input(?:\.\w+)?|weight)|\w+)$"
)


def layers_frame(table: pd.DataFrame) -> pd.DataFrame:
    """The quantized tensors of `frame` with the columns block, part, role, bits and sqnr_db.

    block: its number, or the layer's name outside the blocks. part: `qkv.weight` and the like.
    """
    rows = table[table["quantized"].astype(bool)]
    places = [place(str(name)) for name in rows["tensor"]]
    found = pd.DataFrame(places, columns=["block", "part"], index=rows.index)
    found = found.assign(role=rows["role"], bits=rows["bits"], sqnr_db=rows["sqnr_db"])
    return found.reset_index(drop=True)


def place(tensor: str) -> tuple[str, str]:
    """Where a tensor is: `block 3` or the layer's name outside the blocks, and what it is there.

    >>> place("blocks.3.mlp.fc2.input")
    ('block 3', 'fc2.input')
    >>> place("blocks.3.mlp.fc2.input.patches")
    ('block 3', 'fc2.input.patches')
    """
    found = _IN_BLOCK.match(tensor)
    if found is None:
        layer, _, part = tensor.rpartition(".")
        return layer or tensor, part
    stage, block, part = found.groups()
    return (f"block {stage}.{block}" if stage else f"block {block}"), part


def layers(table: pd.DataFrame) -> go.Figure:
    """Bits and SQNR of every tensor inside the blocks, from `frame`: a row per block."""
    found = layers_frame(table)
    inside = found[found["block"].str.startswith("block ")]
    blocks, parts = list(dict.fromkeys(inside["block"])), list(dict.fromkeys(inside["part"]))
    values = np.full((len(blocks), len(parts)), np.nan, np.float32)
    words = np.full(values.shape, "", object)
    for block, part, _, bits, sqnr in inside.itertuples(index=False):
        place = blocks.index(block), parts.index(part)
        values[place] = np.nan if sqnr is None else sqnr
        words[place] = f"{bits}b<br>{'exact' if not np.isfinite(values[place]) else f'{sqnr:.1f}'}"
    figure = go.Figure(
        heat(
            values,
            parts,
            blocks,
            "SQNR, dB",
            text=words,
            texttemplate="%{text}",
            hovertemplate="%{y}, %{x}: %{text} dB<extra></extra>",
        )
    )
    figure.update_xaxes(title="tensor in the block", side="bottom", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    title = f"Bits and SQNR in dB of {len(inside)} tensors in {len(blocks)} blocks"
    return finish(figure, title, 160 + 44 * len(blocks))


def describe_layers(table: pd.DataFrame) -> str:
    """The map in one sentence, from `frame`."""
    found = layers_frame(table)
    found = found[found["block"].str.startswith("block ") & found["sqnr_db"].notna()]
    if found.empty:
        return "No tensor inside a block is quantized."
    means = found.assign(sqnr_db=found["sqnr_db"].astype(float)).groupby("part")["sqnr_db"].mean()
    return (
        f"Averaged over blocks, {means.idxmin()} keeps the least signal ({means.min():.1f} dB) and "
        f"{means.idxmax()} the most ({means.max():.1f} dB)."
    )
