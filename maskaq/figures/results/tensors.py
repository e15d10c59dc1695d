"""The signal-to-quantization-noise ratio (SQNR) of each quantized tensor of Q."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import VERMILLION, finish, labelled_heatmap, letter_cells, targets

if TYPE_CHECKING:
    from maskaq.results.result import RunResult


def frame(result: RunResult) -> pd.DataFrame:
    """The per-tensor report of a run, one row per tensor, in the order of the network."""
    return pd.DataFrame(result.tensors)


# A tensor inside a block: the block's number (Swin's with the stage), then its name in the block.
_IN_BLOCK = re.compile(
    r"^(?:layers\.(\d+)\.)?blocks\.(\d+)\.(?:[\w.]*?\.)?([^.]+\.(?:input(?:\.\w+)?|weight)|\w+)$"
)


def layers_frame(table: pd.DataFrame) -> pd.DataFrame:
    """The quantized tensors of `frame` with the columns block, part, role, bits and sqnr_db.

    block: `block 3`, or the layer's name outside the blocks. part: the tensor, as `qkv.weight`.
    """
    rows = table[_quantized(table)]
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


# The tensors of a block in the order in which the signal meets them, with their titles. A layer
# outside the blocks has an input and a weight only.
_FLOW = {
    "qkv.input": "QKV<br>input",
    "qkv.weight": "QKV<br>weight",
    "query": "query",
    "key": "key",
    "softmax": "softmax",
    "value": "value",
    "proj.input": "proj.<br>input",
    "proj.weight": "proj.<br>weight",
    "fc1.input": "MLP 1<br>input",
    "fc1.weight": "MLP 1<br>weight",
    "fc2.input": "MLP 2<br>input",
    "fc2.weight": "MLP 2<br>weight",
    "input": "layer<br>input",
    "weight": "layer<br>weight",
}
_CELL = 33  # pixels


def anatomy(table: pd.DataFrame, chosen: str = "") -> Chart:
    """The model as a diagram, from `frame`: a row per layer, from input to output.

    Each cell is a quantized tensor with its bits and its SQNR in dB. A tensor whose class token and
    patches have ranges of their own shows the lower SQNR. Clicking a cell returns the name of its
    tensor.

    Args:
        chosen: name of the tensor to frame, if any.
    """
    cells = _cells(layers_frame(table).assign(tensor=table.loc[_quantized(table), "tensor"].array))
    rows = list(dict.fromkeys(cells["block"]))
    parts = [part for part in _FLOW if part in set(cells["part"])]
    parts += [part for part in dict.fromkeys(cells["part"]) if part not in parts]
    sqnr = cells["sqnr_db"].astype(float)  # NaN where a tensor is exact
    labels = [
        f"{bits}b<br>{f'{value:.0f}' if np.isfinite(value) else 'exact'}"
        for bits, value in zip(cells["bits"], sqnr, strict=True)
    ]
    figure = go.Figure(
        labelled_heatmap(
            rows,
            parts,
            zip(cells["block"], cells["part"], sqnr, labels, strict=True),
            "SQNR, dB",
            hoverinfo="skip",
        )
    )
    hover = [
        f"{tensor}, {bits} bits: "
        + (f"{value:.1f} dB" if np.isfinite(value) else "exact, already on the levels")
        for tensor, bits, value in zip(cells["tensor"], cells["bits"], sqnr, strict=True)
    ]
    targets(figure, cells["part"], cells["block"], cells["tensor"], hover)
    figure.update_xaxes(
        side="top",
        title="tensor, in the order of the signal",
        showgrid=False,
        tickvals=parts,
        ticktext=[_FLOW.get(part, part) for part in parts],
        categoryorder="array",
        categoryarray=parts,
        tickangle=0,
        tickfont={"size": 11},
    )
    figure.update_yaxes(
        autorange="reversed", showgrid=False, categoryorder="array", categoryarray=rows
    )
    letter_cells(figure)
    _frame_cell(figure, cells, parts, rows, chosen)
    finish(figure, f"Bits and SQNR of {len(cells)} tensors", 150 + _CELL * len(rows))
    figure.update_layout(margin={"t": 100}, title={"y": 0.98, "yanchor": "top"})
    return Chart(figure, table, _describe(cells), "anatomy")


def _quantized(table: pd.DataFrame) -> pd.Series[bool]:
    return table["quantized"].astype(bool)


def _cells(layers: pd.DataFrame) -> pd.DataFrame:
    """One row per cell: of the ranges of a tensor, the one with the lowest SQNR."""
    cells = layers.assign(
        part=layers["part"].str.removesuffix(".prefix").str.removesuffix(".patches"),
        order=layers["sqnr_db"].astype(float).fillna(np.inf),
    )
    first = cells.groupby(["block", "part"], sort=False)["order"].idxmin()
    return cells.loc[first.sort_values()].reset_index(drop=True)


def _frame_cell(
    figure: go.Figure, cells: pd.DataFrame, parts: list[str], rows: list[str], chosen: str
) -> None:
    for cell in cells[cells["tensor"] == chosen].itertuples():
        x, y = parts.index(str(cell.part)), rows.index(str(cell.block))
        figure.add_shape(
            type="rect",
            line={"color": VERMILLION, "width": 3},
            x0=x - 0.5,
            x1=x + 0.5,
            y0=y - 0.5,
            y1=y + 0.5,
        )


def _describe(cells: pd.DataFrame) -> str:
    rows = cells[np.isfinite(cells["order"])]
    if rows.empty:
        return "No tensor loses anything."
    worst = rows.loc[rows["order"].idxmin()]
    means = rows.groupby("part")["order"].mean()
    return (
        f"Most is lost in {worst['tensor']} ({worst['role']}, {worst['bits']} bits): "
        f"{worst['order']:.1f} dB. Averaged over the blocks, {means.idxmin()} loses most "
        f"({means.min():.1f} dB)."
    )
