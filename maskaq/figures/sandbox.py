"""Charts of a quantizer applied to some numbers: levels, staircase, and the error of every rule."""

import math
from contextlib import suppress

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.errors import OptionError
from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish, targets
from maskaq.quantization.level_list import LevelList, apply, of_grid
from maskaq.quantization.numpy_reference import RULES, Rounded, grid

Floats = NDArray[np.float32]
_HEIGHT = 340  # pixels
_BINS = 80
_MIN_WIDTH = 0.005  # of a marked range, as a share of the range of all values
_PARTS = (("rounding", BLUE, ""), ("clipping", VERMILLION, "/"))


def numbers(result: Rounded) -> pd.DataFrame:
    """One row per number: value, code, rounded, error and clipped."""
    return pd.DataFrame(
        {
            "value": result.values,
            "code": result.codes,
            "rounded": result.rounded,
            "error": result.rounded - result.values,
            "clipped": result.clipped,
        }
    )


def histogram(values: Floats, levels: LevelList) -> Chart:
    """Histogram of values [n] with a tick at every level; clipped ranges are hatched.

    What the sandbox draws in the browser, as a figure that can be saved.
    """
    lost = apply(values, levels).clipped
    counts, edges = np.histogram(values, _BINS)
    beyond, _ = np.histogram(values[lost], edges)
    table = pd.DataFrame({"low": edges[:-1], "high": edges[1:], "count": counts, "clipped": beyond})
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
    clipped = values[lost]
    ends = [clipped[clipped < levels.edges[0]], clipped[clipped > levels.edges[-1]]]
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
        name=f"{len(levels.levels)} levels",
        x=levels.levels,
        y=np.zeros(len(levels.levels), np.float32),
        mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": VERMILLION}},
        customdata=levels.codes,
        hovertemplate="code %{customdata}: %{x:.4g}<extra></extra>",
    )
    figure.update_xaxes(title="value")
    figure.update_yaxes(title="values per bin")
    figure.update_layout(barmode="overlay", bargap=0)
    figure = finish(figure, f"{values.size:,} values and their levels", 400, legend_below=True)
    alt = (
        f"{values.size:,} values from {edges[0]:.3g} to {edges[-1]:.3g}; {clipped.size:,} of them "
        f"({clipped.size / values.size:.2%}) lie outside the levels and are clipped."
    )
    return Chart(figure, table, alt, "sandbox")


def staircase(levels: LevelList, values: Floats) -> Chart:
    """Output against input of the quantizer, with the identity as a dotted line."""
    low, high = levels.levels[[0, -1]]
    margin = 0.15 * (high - low) or 1.0
    x = np.linspace(low - margin, high + margin, 1200, dtype=np.float32)
    quantized = apply(x, levels)
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
    figure.update_xaxes(title="number that goes in")
    figure.update_yaxes(title="number that comes out")
    title = f"{len(levels.levels)} levels, {levels.rule}"
    figure = finish(figure, title, _HEIGHT, legend_below=True)
    table = numbers(apply(values, levels))
    slug = levels.rule.replace(" ", "-")
    return Chart(figure, table, _describe(levels), f"levels-{slug}")


def _describe(levels: LevelList) -> str:
    return (
        f"{len(levels.levels)} levels from {levels.levels[0]:.3g} to {levels.levels[-1]:.3g}, "
        f"{spacing(levels)}."
    )


def spacing(levels: LevelList) -> str:
    """How far apart the levels are, in words."""
    gaps = np.diff(levels.levels)
    if np.ptp(gaps) < 1e-3 * gaps.max():
        return f"evenly spaced, {gaps.mean():.3g} apart"
    return f"with gaps of {gaps.min():.3g} to {gaps.max():.3g}"


def candidates(values: Floats, bits: int, symmetric: bool) -> list[LevelList]:
    """The levels of each rule that accepts the values [n]."""
    found = []
    for rule in RULES:
        with suppress(OptionError):  # log2 refuses negative values
            found.append(of_grid(grid(values, bits, symmetric, rule)))
    return found


def rules_frame(values: Floats, rules: list[LevelList]) -> pd.DataFrame:
    """One row per rule, for values [n].

    Columns `rule`, `SQNR, dB`, `rounding, %` and `clipping, %` (errors, in % of the power of the
    values), `clipped, %` (of the values), `codes in use` and `n` (values).
    """
    power = float((values.astype(np.float64) ** 2).mean()) or 1.0
    rows = []
    for levels in rules:
        result = apply(values, levels)
        errors = result.rounding_error, result.clipping_error
        shares = (100 * error / power for error in errors)
        used = f"{len(np.unique(result.codes))} of {len(levels.levels)}"
        clipped = 100 * result.clipped.mean()
        rows.append((levels.rule, result.sqnr_db, *shares, clipped, used, values.size))
    columns = ["rule", "SQNR, dB", "rounding, %", "clipping, %", "clipped, %", "codes in use", "n"]
    return pd.DataFrame(rows, columns=columns)


def rules(table: pd.DataFrame, chosen: str) -> Chart:
    """The error of every rule, split into rounding and clipping.

    table: from `rules_frame`. chosen: the rule in use, marked by an arrow.
    """
    names = [f"→ {name}" if name == chosen else name for name in table["rule"]]
    figure = go.Figure()
    for part, colour, hatch in _PARTS:
        figure.add_bar(
            name=part,
            orientation="h",
            y=names,
            x=table[f"{part}, %"],
            marker={"color": colour, "pattern": {"shape": hatch}},
            hovertemplate=f"%{{y}}: %{{x:.3g}} % by {part}<extra></extra>",
        )
    totals = table["rounding, %"] + table["clipping, %"]
    labels = [decibels(value) for value in table["SQNR, dB"]]
    figure.add_scatter(
        x=totals,
        y=names,
        text=[f" {label}" for label in labels],
        mode="text",
        textposition="middle right",
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    hover = [f"{name}: {label}. Click to use it" for name, label in zip(names, labels, strict=True)]
    targets(figure, totals / 2, names, list(table["rule"]), hover)
    largest = float(totals.max()) or 1.0
    figure.update_xaxes(title="error, % of the power of the numbers", range=[0, 1.3 * largest])
    figure.update_yaxes(autorange="reversed")
    figure.update_layout(barmode="stack")
    n = int(table["n"].iloc[0])
    figure = finish(figure, f"Error of every rule, n = {n:,}", _HEIGHT, legend_below=True)
    parts = [f"{name} {label}" for name, label in zip(table["rule"], labels, strict=True)]
    return Chart(figure, table.round(4), f"SQNR of every rule: {', '.join(parts)}.", "rules")


def decibels(value: float) -> str:
    """An SQNR in words.

    >>> decibels(20.04), decibels(math.inf)
    ('20.0 dB', 'exact')
    """
    return f"{value:.1f} dB" if math.isfinite(value) else "exact"
