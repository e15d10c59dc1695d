"""How activations on a run's samples differ from activations on real images."""

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
from maskaq.figures.chart import Chart
from maskaq.figures.results.tensors import place
from maskaq.figures.style import DIVERGING, finish, labelled_heatmap, letter_cells, marker_style

if TYPE_CHECKING:
    from maskaq.results.activation_shift import Diagnosis

_STEP = 0.2  # between the points of a row, whose distance to the next row is 1
_MIN_OCTAVES = 0.5  # least span of the colour scale, so that small differences look small


def overview_frame(diagnoses: Mapping[str, Diagnosis]) -> pd.DataFrame:
    """Columns run, statistic, factor, sure, tensors, samples and real, from diagnoses by run.

    factor: geometric mean over tensors of the factor by which a tensor is off; 1 is no shift.
    sure: number of tensors whose 95 % interval of the ratio excludes 1. samples, real: numbers of
    images.
    """
    rows = [
        (run, statistic, factor, *count_significant(one.table, statistic), one.samples, one.real)
        for run, one in diagnoses.items()
        for statistic, factor in factors(one.table).items()
    ]
    columns = ["run", "statistic", "factor", "sure", "tensors", "samples", "real"]
    return pd.DataFrame(rows, columns=columns)


def overview(diagnoses: Mapping[str, Diagnosis]) -> Chart:
    """One point per run and statistic; clicking it returns the name of the run.

    diagnoses: by name of the run.
    """
    table = overview_frame(diagnoses)
    runs = list(dict.fromkeys(table["run"]))
    kinds = list(dict.fromkeys(table["statistic"]))
    figure = go.Figure()
    for number, (statistic, rows) in enumerate(table.groupby("statistic", sort=False)):
        figure.add_scatter(
            name=str(statistic),
            mode="markers",
            x=rows["factor"],
            y=[runs.index(name) + _STEP * (number - (len(kinds) - 1) / 2) for name in rows["run"]],
            marker=marker_style(number) | {"size": 11},
            customdata=rows[["run", "sure", "tensors", "samples", "real"]],
            hovertemplate="%{customdata[0]}: a factor of %{x:.2f}; the interval excludes 1 in "
            "%{customdata[1]} of %{customdata[2]} tensors; %{customdata[3]} samples, "
            "%{customdata[4]} real images"
            f"<extra>{statistic}</extra>",
        )
    figure.update_yaxes(
        tickvals=list(range(len(runs))),
        ticktext=runs,
        range=[len(runs) - 0.5, -0.5],
        zeroline=False,
    )
    figure.update_xaxes(title="factor by which a tensor is off (1: as on real images)")
    finish(
        figure, "How far activations are from real ones", 170 + 44 * len(runs), legend_below=True
    )
    return Chart(figure, table, _describe_overview(table), "compare-diagnosis")


def _describe_overview(table: pd.DataFrame) -> str:
    rows = table[table["statistic"] == "range"].sort_values("factor")
    if rows.empty:
        return "No run is diagnosed."
    best, worst = rows.iloc[0], rows.iloc[-1]
    counted = f"the interval excludes 1 in {best['sure']} of {best['tensors']} tensors"
    summary = f"The ranges of {best['run']} are off by a factor of {best['factor']:.2f} on average"
    if len(rows) == 1:
        return f"{summary} ({counted})."
    return (
        f"{summary} ({counted}), those of {worst['run']} by {worst['factor']:.2f} "
        f"({worst['sure']} of {worst['tensors']})."
    )


def frame(diagnosis: Diagnosis, statistic: str) -> pd.DataFrame:
    """The rows of one statistic.

    Columns place and part (see `tensors.place`), tensor, role, samples, real, ratio, low, high and
    octaves, log2 of the ratio.
    """
    rows = diagnosis.table[diagnosis.table["statistic"] == statistic]
    places = [place(str(name)) for name in rows["tensor"]]
    named = pd.DataFrame(places, columns=["place", "part"], index=rows.index)
    columns = ["tensor", "role", "samples", "real", "ratio", "low", "high"]
    with np.errstate(divide="ignore"):
        octaves = np.log2(rows["ratio"].astype(float))
    return named.join(rows[columns]).assign(octaves=octaves).reset_index(drop=True)


def span(tables: list[pd.DataFrame]) -> float:
    """Octaves of a colour scale shared by several heat maps."""
    octaves = pd.concat([table["octaves"].abs() for table in tables]).replace(np.inf, np.nan)
    return max(_MIN_OCTAVES, float(np.nan_to_num(octaves.max())))


def ratios(diagnosis: Diagnosis, run: str, statistic: str, octaves: float) -> Chart:
    """A heat map, a row per block, of a statistic on samples divided by that on real images.

    Args:
        run: its name, for the title.
        octaves: where the colour scale ends; see `span`.
    """
    table = frame(diagnosis, statistic)
    inside = table[table["place"].str.startswith("block ")]
    blocks, parts = list(dict.fromkeys(inside["place"])), list(dict.fromkeys(inside["part"]))
    labels = inside["ratio"].map("{:.2f}".format)
    cells = zip(inside["place"], inside["part"], inside["octaves"], labels, strict=True)
    figure = go.Figure(
        labelled_heatmap(
            blocks,
            parts,
            cells,
            "octaves",
            colorscale=DIVERGING,
            zmin=-octaves,
            zmax=octaves,
            hovertemplate="%{y}, %{x}: %{text} times (%{z:+.2f} octaves)<extra></extra>",
        )
    )
    letter_cells(figure)
    figure.update_xaxes(title="tensor in the block", side="bottom", showgrid=False)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    title = f"{run}: {statistic}<br><sup>samples over real images</sup>"
    finish(figure, title, 150 + 32 * len(blocks))
    return Chart(figure, table, _describe(diagnosis, statistic), f"diagnosis-{statistic}")


def _describe(diagnosis: Diagnosis, statistic: str) -> str:
    rows = furthest(diagnosis.table, statistic)
    if rows.empty:
        return f"The {statistic} is not measured."
    factor = factors(diagnosis.table)[statistic]
    sure, tensors = count_significant(diagnosis.table, statistic)
    shown = rows[["tensor", "role", "ratio", "low", "high"]].itertuples(index=False, name=None)
    worst = "; ".join(
        f"{_where(tensor, role)} with {ratio:.2f} times the {statistic} ({low:.2f} to {high:.2f})"
        for tensor, role, ratio, low, high in shown
    )
    return (
        f"Furthest from real images: {worst}. On average a tensor's {statistic} is off by a factor "
        f"of {factor:.2f}; in {sure} of {tensors} the 95 % interval excludes 1 "
        f"({diagnosis.samples} samples, {diagnosis.real} real images)."
    )


def _where(tensor: str, role: str) -> str:
    block, part = place(tensor)
    return f"{part} of {block}" + (f" ({role})" if role not in part else "")


def meaning(statistic: str) -> str:
    """The definition of a statistic, as Markdown."""
    return f"*{statistic}*: {STATISTICS[statistic]}."
