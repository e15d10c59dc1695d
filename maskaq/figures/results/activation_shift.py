"""How the activations under a run's samples differ from those under real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.evaluation.activation_shift_table import (
    STATISTICS,
    count_significant,
    factors,
    furthest,
)
from maskaq.figures.results.tensors import place
from maskaq.figures.style import DIVERGING, finish, heat, mark

if TYPE_CHECKING:
    from maskaq.results.activation_shift import Diagnosis

_LEAST = 0.5  # octaves that the colours span at least, so that small differences look small


def overview_frame(found: Mapping[str, Diagnosis]) -> pd.DataFrame:
    """Columns run, statistic, factor, sure, tensors, samples and real, from diagnoses by run.

    factor: by how much a tensor is off in the geometric mean, 1 for not at all. sure: how many of
    the tensors have a ratio whose 95 % interval leaves 1 out. samples, real: images.
    """
    rows = [
        (run, statistic, factor, *count_significant(one.table, statistic), one.samples, one.real)
        for run, one in found.items()
        for statistic, factor in factors(one.table).items()
    ]
    columns = ["run", "statistic", "factor", "sure", "tensors", "samples", "real"]
    return pd.DataFrame(rows, columns=columns)


def overview(table: pd.DataFrame) -> go.Figure:
    """One dot per run and statistic, from `overview_frame`."""
    figure = go.Figure()
    for number, (statistic, rows) in enumerate(table.groupby("statistic", sort=False)):
        figure.add_scatter(
            name=str(statistic),
            mode="markers",
            x=rows["factor"],
            y=rows["run"],
            marker=mark(number) | {"size": 11},
            customdata=rows[["sure", "tensors", "samples", "real"]],
            hovertemplate="a factor of %{x:.2f}; the interval leaves 1 out in %{customdata[0]} of "
            "%{customdata[1]} tensors; %{customdata[2]} samples, %{customdata[3]} real images"
            f"<extra>{statistic}</extra>",
        )
    runs = list(dict.fromkeys(table["run"]))
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=runs)
    figure.update_xaxes(title="factor by which a tensor is off (1: as on real images)")
    title = "How far activations are from those on real images, geometric mean over tensors"
    return finish(figure, title, 170 + 38 * len(runs), legend_below=True)


def describe_overview(table: pd.DataFrame) -> str:
    """The chart in one sentence, from `overview_frame`."""
    rows = table[table["statistic"] == "range"].sort_values("factor")
    if rows.empty:
        return "No run is diagnosed."
    best, worst = rows.iloc[0], rows.iloc[-1]
    said = f"The ranges of {best['run']} are off by a factor of {best['factor']:.2f} on average"
    if len(rows) == 1:
        return said + "."
    return f"{said}, those of {worst['run']} by {worst['factor']:.2f}."


def frame(found: Diagnosis, statistic: str) -> pd.DataFrame:
    """The rows of one statistic with the columns place and part (see `tensors.place`), then
    tensor, role, samples, real, ratio, low, high, and octaves = log2 of the ratio."""
    rows = found.table[found.table["statistic"] == statistic]
    places = [place(str(name)) for name in rows["tensor"]]
    named = pd.DataFrame(places, columns=["place", "part"], index=rows.index)
    columns = ["tensor", "role", "samples", "real", "ratio", "low", "high"]
    with np.errstate(divide="ignore"):
        octaves = np.log2(rows["ratio"].astype(float))
    return named.join(rows[columns]).assign(octaves=octaves).reset_index(drop=True)


def span(tables: list[pd.DataFrame]) -> float:
    """Octaves that the colours of several maps must reach, so that they can be compared."""
    found = pd.concat([table["octaves"].abs() for table in tables]).replace(np.inf, np.nan)
    return max(_LEAST, float(np.nan_to_num(found.max())))


def ratios(table: pd.DataFrame, run: str, statistic: str, octaves: float) -> go.Figure:
    """A map from `frame`, a row per block: samples over real images. octaves: see `span`."""
    inside = table[table["place"].str.startswith("block ")]
    blocks, parts = list(dict.fromkeys(inside["place"])), list(dict.fromkeys(inside["part"]))
    values = np.full((len(blocks), len(parts)), np.nan, np.float32)
    words = np.full(values.shape, "", object)
    shown = inside[["place", "part", "octaves", "ratio"]]
    for block, part, apart, ratio in shown.itertuples(index=False, name=None):
        where = blocks.index(block), parts.index(part)
        values[where] = apart
        words[where] = f"{ratio:.2f}"
    figure = go.Figure(
        heat(
            values,
            parts,
            blocks,
            "octaves",
            text=words,
            texttemplate="%{text}",
            colorscale=DIVERGING,
            zmin=-octaves,
            zmax=octaves,
            hovertemplate="%{y}, %{x}: %{text} times (%{z:+.2f} octaves)<extra></extra>",
        )
    )
    figure.update_xaxes(title="tensor in the block", side="bottom", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    title = f"{run}: {statistic}, samples over real images"
    return finish(figure, title, 170 + 32 * len(blocks))


def describe(found: Diagnosis, statistic: str) -> str:
    """In plain words which tensors are furthest off, and how sure that is."""
    rows = furthest(found.table, statistic)
    if rows.empty:
        return f"The {statistic} is not measured."
    off, (sure, tensors) = (
        factors(found.table)[statistic],
        count_significant(found.table, statistic),
    )
    shown = rows[["tensor", "role", "ratio", "low", "high"]].itertuples(index=False, name=None)
    worst = "; ".join(
        f"{_where(tensor, role)} with {ratio:.2f} times the {statistic} ({low:.2f} to {high:.2f})"
        for tensor, role, ratio, low, high in shown
    )
    return (
        f"Furthest from real images: {worst}. On average a tensor's {statistic} is off by a factor "
        f"of {off:.2f}; in {sure} of {tensors} the 95 % interval leaves 1 out "
        f"({found.samples} samples, {found.real} real images)."
    )


def _where(tensor: str, role: str) -> str:
    block, part = place(tensor)
    return f"{part} of {block}" + (f" ({role})" if role not in part else "")


def meaning(statistic: str) -> str:
    """What a statistic is, for a note."""
    return f"*{statistic}*: {STATISTICS[statistic]}."
