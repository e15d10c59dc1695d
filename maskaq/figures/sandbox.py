"""A quantizer at work on a handful of numbers: levels, staircase and errors."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from maskaq.errors import OptionError
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish
from maskaq.quantization.numpy_reference import RULES, Grid, Toy, apply, grid

Floats = NDArray[np.float32]
_BINS = 80
_HAIR = 0.005  # least width of a marked range, as a share of all values' range
_POINTS = 1500  # drawn of the values: more cannot be told apart


def histogram_frame(values: Floats, grid: Grid) -> pd.DataFrame:
    """Columns low, high, count and clipped (how many of them lie beyond the grid), per bin."""
    clipped = apply(values, grid).clipped
    counts, edges = np.histogram(values, _BINS)
    beyond, _ = np.histogram(values[clipped], edges)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts, "clipped": beyond})


def histogram(values: Floats, grid: Grid) -> go.Figure:
    """The values [n] with a tick at every level; the range of those clipped is hatched."""
    table = histogram_frame(values, grid)
    figure = go.Figure()
    figure.add_bar(
        name="values",
        x=(table["low"] + table["high"]) / 2,
        y=table["count"],
        width=table["high"] - table["low"],
        marker={"color": BLUE, "line": {"width": 0}},
        customdata=table["clipped"],
        hovertemplate="near %{x:.3g}: %{y} values, %{customdata} clipped<extra></extra>",
    )
    # A few clipped values would be bars too low to see: the range they lie in is marked instead.
    clipped = values[apply(values, grid).clipped]
    ends = [clipped[clipped < grid.low], clipped[clipped > grid.high]]
    spans = [(float(end.min()), float(end.max())) for end in ends if end.size]
    if spans:
        figure.add_bar(
            name=f"clipped: {clipped.size:,} of {values.size:,} values",
            x=[(low + high) / 2 for low, high in spans],
            y=[int(table["count"].max())] * len(spans),
            width=[max(high - low, _HAIR * float(np.ptp(values))) for low, high in spans],
            marker={
                "color": "rgba(0,0,0,0)",
                "line": {"width": 1, "color": VERMILLION},
                "pattern": {"shape": "/", "fgcolor": VERMILLION, "fillmode": "overlay"},
            },
            hoverinfo="skip",
        )
    figure.add_scatter(
        name=f"{len(grid.levels)} levels",
        x=grid.levels,
        y=np.zeros(len(grid.levels), np.float32),
        mode="markers",
        marker={
            "symbol": "line-ns",
            "size": 16,
            "line": {"width": 2, "color": VERMILLION},
        },
        customdata=grid.codes,
        hovertemplate="code %{customdata}: %{x:.4g}<extra></extra>",
    )
    figure.update_xaxes(title="value")
    figure.update_yaxes(title="values per bin")
    figure.update_layout(barmode="overlay", bargap=0)
    title = f"{values.size:,} values and the levels they are rounded to"
    return finish(figure, title, 400, legend_below=True)


def describe(table: pd.DataFrame) -> str:
    """The histogram in one sentence, from `histogram_frame`."""
    total, clipped = int(table["count"].sum()), int(table["clipped"].sum())
    return (
        f"{total:,} values from {table['low'].iloc[0]:.3g} to {table['high'].iloc[-1]:.3g}; "
        f"{clipped:,} of them ({clipped / total:.2%}) lie beyond the levels and are clipped."
    )


def levels(grid: Grid) -> pd.DataFrame:
    """Columns code, level and gap (to the level before), in ascending order of the levels."""
    gaps = np.diff(grid.levels, prepend=np.float32(np.nan))
    return pd.DataFrame({"code": grid.codes, "level": grid.levels, "gap": gaps})


def staircase(grid: Grid) -> go.Figure:
    """What comes out for what goes in, beside the line where nothing changes."""
    margin = 0.15 * (grid.high - grid.low) or 1.0
    x = np.linspace(grid.low - margin, grid.high + margin, 1200, dtype=np.float32)
    found = apply(x, grid)
    ends = [float(x[0]), float(x[-1])]
    figure = go.Figure()
    figure.add_scatter(
        name="no rounding",
        x=ends,
        y=ends,
        mode="lines",
        line={"color": GREY, "dash": "dot", "width": 2},
        hoverinfo="skip",
    )
    figure.add_scatter(
        name="quantized",
        x=x,
        y=found.rounded,
        mode="lines",
        line={"color": BLUE, "width": 2.5, "shape": "hv"},
        customdata=found.codes,
        hovertemplate="%{x:.4g} becomes %{y:.4g}, code %{customdata}<extra></extra>",
    )
    figure.update_xaxes(title="value in")
    figure.update_yaxes(title="value out")
    title = f"{len(grid.levels)} levels, {grid.form.bits} bits, rule {grid.rule}"
    return finish(figure, title, 400, legend_below=True)


def describe_levels(table: pd.DataFrame) -> str:
    """The staircase in one sentence, from `levels`."""
    gaps = table["gap"].dropna()
    even = np.ptp(gaps) < 1e-3 * gaps.max()
    apart = (
        f"evenly spaced {gaps.mean():.3g} apart"
        if even
        else f"{gaps.min():.3g} to {gaps.max():.3g} apart"
    )
    return (
        f"{len(table)} levels from {table['level'].iloc[0]:.3g} to {table['level'].iloc[-1]:.3g}, "
        f"{apart}."
    )


def error_frame(toy: Toy) -> pd.DataFrame:
    """Columns part (rounding, clipping), values, error (mean squared) and share (of the error)."""
    found = [toy.rounding_error, toy.clipping_error]
    whole = sum(found) or 1.0
    clipped = int(toy.clipped.sum())
    return pd.DataFrame(
        {
            "part": ["rounding", "clipping"],
            "values": [toy.values.size - clipped, clipped],
            "error": found,
            "share": [error / whole for error in found],
        }
    )


def errors(toy: Toy) -> go.Figure:
    """The error of every value, and how much of the squared error is rounding or clipping."""
    table = error_frame(toy)
    figure = make_subplots(
        1,
        2,
        column_widths=[0.65, 0.35],
        horizontal_spacing=0.13,
        subplot_titles=["error of each value", "share of the squared error"],
    )
    looks = (("rounding", BLUE, "circle", ""), ("clipping", VERMILLION, "x", "/"))
    for number, (name, colour, symbol, hatch) in enumerate(looks):
        chosen = np.flatnonzero(toy.clipped == (name == "clipping"))
        chosen = chosen[:: max(1, chosen.size // _POINTS)]
        figure.add_scatter(
            row=1,
            col=1,
            name=name,
            mode="markers",
            x=toy.values[chosen],
            y=toy.rounded[chosen] - toy.values[chosen],
            marker={"color": colour, "symbol": symbol, "size": 5 if number == 0 else 8},
            hovertemplate="%{x:.4g}: error %{y:.3g}<extra></extra>",
        )
        figure.add_bar(
            row=1,
            col=2,
            x=[name],
            y=[100 * table["share"][number]],
            text=[f"{table['share'][number]:.1%}"],
            textposition="outside",
            showlegend=False,
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate="%{y:.1f} %<extra></extra>",
        )
    figure.update_xaxes(title="value", row=1, col=1)
    figure.update_yaxes(title="value out - value in", row=1, col=1)
    figure.update_xaxes(title="part of the error", row=1, col=2)
    figure.update_yaxes(title="%", range=[0, 112], row=1, col=2)
    figure.update_annotations(font_size=13)
    title = f"SQNR {toy.sqnr_db:.1f} dB on {toy.values.size:,} values"
    return finish(figure, title, 380, legend_below=True)


def describe_errors(table: pd.DataFrame) -> str:
    """The errors in one sentence, from `error_frame`."""
    rounding, clipping = table.itertuples()
    return (
        f"Rounding {rounding.values:,} values makes {rounding.share:.0%} of the squared error, "
        f"clipping {clipping.values:,} values {clipping.share:.0%}."
    )


def codes(toy: Toy, limit: int = 64) -> tuple[pd.DataFrame, str]:
    """The first values with columns value, code, rounded, error, clipped; and how many of all."""
    shown = slice(min(limit, toy.values.size))
    table = pd.DataFrame(
        {
            "value": toy.values[shown],
            "code": toy.codes[shown],
            "rounded": toy.rounded[shown],
            "error": toy.rounded[shown] - toy.values[shown],
            "clipped": toy.clipped[shown],
        }
    )
    return table, f"showing {len(table):,} of {toy.values.size:,}"


def rules(values: Floats, bits: int, symmetric: bool) -> pd.DataFrame:
    """Every rule that can take the values [n].

    Columns rule, SQNR, dB, clipped, %, codes in use, and n (values).
    """
    rows = []
    for name in RULES:
        with suppress(OptionError):  # log2 cannot go below 0
            toy = apply(values, grid(values, bits, symmetric, name))
            used = f"{len(np.unique(toy.codes))} of {2**bits}"
            rows.append((name, toy.sqnr_db, 100 * toy.clipped.mean(), used, values.size))
    return pd.DataFrame(rows, columns=["rule", "SQNR, dB", "clipped, %", "codes in use", "n"])
