"""Charts of a quantizer applied to some numbers: levels, staircase and errors."""

from contextlib import suppress

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from plotly.subplots import make_subplots

from maskaq.errors import OptionError
from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish
from maskaq.quantization.numpy_reference import RULES, Grid, Rounded, apply, grid

Floats = NDArray[np.float32]
_BINS = 80
_MIN_WIDTH = 0.005  # of a marked range, as a share of the range of all values
_POINTS = 1500  # points per series; more would overlap


def histogram_frame(values: Floats, grid: Grid) -> pd.DataFrame:
    """One row per bin: low, high, count and clipped (values outside the range of the grid)."""
    clipped = apply(values, grid).clipped
    counts, edges = np.histogram(values, _BINS)
    beyond, _ = np.histogram(values[clipped], edges)
    return pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts, "clipped": beyond})


def histogram(values: Floats, grid: Grid) -> Chart:
    """Histogram of values [n] with a tick at every level; clipped ranges are hatched."""
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
    # A few clipped values give bars too low to see, so their range is marked instead.
    clipped = values[apply(values, grid).clipped]
    ends = [clipped[clipped < grid.low], clipped[clipped > grid.high]]
    spans = [(float(end.min()), float(end.max())) for end in ends if end.size]
    if spans:
        figure.add_bar(
            name=f"clipped: {clipped.size:,} of {values.size:,} values",
            x=[(low + high) / 2 for low, high in spans],
            y=[int(table["count"].max())] * len(spans),
            width=[max(high - low, _MIN_WIDTH * float(np.ptp(values))) for low, high in spans],
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
    figure = finish(figure, title, 400, legend_below=True)
    alt = (
        f"{values.size:,} values from {table['low'].iloc[0]:.3g} to {table['high'].iloc[-1]:.3g}; "
        f"{clipped.size:,} of them ({clipped.size / values.size:.2%}) lie outside the levels and "
        "are clipped."
    )
    return Chart(figure, table, alt, "sandbox")


def levels(grid: Grid) -> pd.DataFrame:
    """Columns code, level and gap (to the previous level), in ascending order of the levels."""
    gaps = np.diff(grid.levels, prepend=np.float32(np.nan))
    return pd.DataFrame({"code": grid.codes, "level": grid.levels, "gap": gaps})


def staircase(grid: Grid) -> Chart:
    """Output against input of the quantizer, with the identity as a dotted line."""
    margin = 0.15 * (grid.high - grid.low) or 1.0
    x = np.linspace(grid.low - margin, grid.high + margin, 1200, dtype=np.float32)
    quantized = apply(x, grid)
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
        y=quantized.rounded,
        mode="lines",
        line={"color": BLUE, "width": 2.5, "shape": "hv"},
        customdata=quantized.codes,
        hovertemplate="%{x:.4g} becomes %{y:.4g}, code %{customdata}<extra></extra>",
    )
    figure.update_xaxes(title="input value")
    figure.update_yaxes(title="output value")
    title = f"{len(grid.levels)} levels, {grid.form.bits} bits, rule {grid.rule}"
    table = levels(grid)
    figure = finish(figure, title, 400, legend_below=True)
    return Chart(figure, table, _describe_levels(table), f"levels-{grid.rule}")


def _describe_levels(table: pd.DataFrame) -> str:
    gaps = table["gap"].dropna()
    even = np.ptp(gaps) < 1e-3 * gaps.max()
    spacing = (
        f"evenly spaced, step size {gaps.mean():.3g}"
        if even
        else f"with gaps of {gaps.min():.3g} to {gaps.max():.3g}"
    )
    return (
        f"{len(table)} levels from {table['level'].iloc[0]:.3g} to {table['level'].iloc[-1]:.3g}, "
        f"{spacing}."
    )


def error_frame(result: Rounded) -> pd.DataFrame:
    """Columns part (rounding, clipping), values, error (mean squared) and share (of the error)."""
    parts = [result.rounding_error, result.clipping_error]
    total = sum(parts) or 1.0
    clipped = int(result.clipped.sum())
    return pd.DataFrame(
        {
            "part": ["rounding", "clipping"],
            "values": [result.values.size - clipped, clipped],
            "error": parts,
            "share": [error / total for error in parts],
        }
    )


def errors(result: Rounded) -> Chart:
    """The error of every value, and the shares of rounding and clipping in the squared error."""
    table = error_frame(result)
    figure = make_subplots(
        1,
        2,
        column_widths=[0.65, 0.35],
        horizontal_spacing=0.13,
        subplot_titles=["error of each value", "share of the squared error"],
    )
    styles = (("rounding", BLUE, "circle", ""), ("clipping", VERMILLION, "x", "/"))
    for number, (name, colour, symbol, hatch) in enumerate(styles):
        chosen = np.flatnonzero(result.clipped == (name == "clipping"))
        chosen = chosen[:: max(1, chosen.size // _POINTS)]
        figure.add_scatter(
            row=1,
            col=1,
            name=name,
            mode="markers",
            x=result.values[chosen],
            y=result.rounded[chosen] - result.values[chosen],
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
    figure.update_xaxes(title="input value", row=1, col=1)
    figure.update_yaxes(title="output - input", row=1, col=1)
    figure.update_xaxes(title="part of the error", row=1, col=2)
    figure.update_yaxes(title="%", range=[0, 112], row=1, col=2)
    figure.update_annotations(font_size=13)
    title = f"SQNR {result.sqnr_db:.1f} dB on {result.values.size:,} values"
    figure = finish(figure, title, 380, legend_below=True)
    rounding, clipping = table.itertuples()
    alt = (
        f"Rounding {rounding.values:,} values causes {rounding.share:.0%} of the squared error, "
        f"clipping {clipping.values:,} values {clipping.share:.0%}."
    )
    return Chart(figure, table, alt, "errors")


def codes(result: Rounded, limit: int = 64) -> tuple[pd.DataFrame, str]:
    """The first values with value, code, rounded, error and clipped; and `showing 64 of 4,096`."""
    shown = slice(min(limit, result.values.size))
    table = pd.DataFrame(
        {
            "value": result.values[shown],
            "code": result.codes[shown],
            "rounded": result.rounded[shown],
            "error": result.rounded[shown] - result.values[shown],
            "clipped": result.clipped[shown],
        }
    )
    return table, f"showing {len(table):,} of {result.values.size:,}"


def rules(values: Floats, bits: int, symmetric: bool) -> pd.DataFrame:
    """One row per rule that accepts the values [n].

    Columns `rule`, `SQNR, dB`, `clipped, %`, `codes in use` and `n` (values).
    """
    rows = []
    for name in RULES:
        with suppress(OptionError):  # log2 refuses negative values
            result = apply(values, grid(values, bits, symmetric, name))
            used = f"{len(np.unique(result.codes))} of {2**bits}"
            rows.append((name, result.sqnr_db, 100 * result.clipped.mean(), used, values.size))
    return pd.DataFrame(rows, columns=["rule", "SQNR, dB", "clipped, %", "codes in use", "n"])
