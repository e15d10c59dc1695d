"""Accuracy against size and time of exported files, beside P and simulated models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
from plotly.subplots import make_subplots

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREY, VERMILLION, error_bars, finish
from maskaq.precomputed.deployment import DEFAULT, FILE_OF_Q, SIMULATED, Deployed, Deployment, P

_SYMBOLS = ("diamond", "square", "triangle-up", "pentagon")  # of files, whose points lie close
_STYLES = {
    P: ("P, 32-bit floats", {"color": BLUE, "symbol": "circle"}),
    FILE_OF_Q: ("file of Q", {"color": VERMILLION}),
    SIMULATED: ("simulated, integer scheme", {"color": GREY, "symbol": "circle-open"}),
    DEFAULT: ("simulated, default scheme", {"color": GREY, "symbol": "x-thin-open"}),
}
_SIZE, _TIME = "size_mb", "milliseconds"
_FACTS = ["name", "times_smaller", "times_faster", "value"]


def frame(deployment: Deployment, batch: int, threads: int) -> pd.DataFrame:
    """One row per model; times are NaN where there is nothing to measure.

    Columns name, kind, size_mb, milliseconds, times_smaller, times_faster, value, low and high
    (top-1 in %), n and command.
    """
    rows = []
    full = deployment.p
    for row in deployment.rows:
        ms, full_ms = _median(row, batch, threads), _median(full, batch, threads)
        rows.append(
            {
                "name": name_of(row),
                "kind": row.kind,
                _SIZE: row.size / 1e6,
                _TIME: ms,
                "times_smaller": full.size / row.size,
                "times_faster": full_ms / ms,
                "value": 100 * row.top1,
                "low": 100 * row.low,
                "high": 100 * row.high,
                "n": row.n,
                "command": row.command,
            }
        )
    return pd.DataFrame(rows)


def name_of(row: Deployed) -> str:
    """Such as `W4A4`; the name of no other row of its model."""
    return {P: P, DEFAULT: f"{row.bits}, {DEFAULT}"}.get(row.kind, row.bits)


def _series(table: pd.DataFrame) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame, bool]]:
    """Label, marker, rows, and whether points are named: not where the label names the only one."""
    for kind, (label, marker) in _STYLES.items():
        rows = table[table["kind"] == kind]
        if kind != FILE_OF_Q:
            yield label, marker, rows, kind == SIMULATED
            continue
        for number, name in enumerate(rows["name"]):
            symbol = _SYMBOLS[number % len(_SYMBOLS)]
            yield f"{label}, {name}", marker | {"symbol": symbol}, rows[rows["name"] == name], False


def _median(row: Deployed, batch: int, threads: int) -> float:
    timing = row.milliseconds(batch, threads)
    return float("nan") if timing is None else timing.median


def scatter(deployment: Deployment, batch: int, threads: int) -> Chart:
    """Accuracy against megabytes and against milliseconds. A click returns the name of a model."""
    table = frame(deployment, batch, threads)
    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    for label, marker, rows, named in _series(table):
        for column, measure in enumerate((_SIZE, _TIME), start=1):
            known = rows[rows[measure].notna()]
            if known.empty:
                continue
            figure.add_scatter(
                row=1,
                col=column,
                name=label,
                showlegend=column == 1,
                legendgroup=label,
                mode="markers+text" if named else "markers",
                x=known[measure],
                y=known["value"],
                text=known["name"] if named else None,
                textposition="middle right",
                marker={"size": 12, "line": {"width": 2}} | marker,
                error_y=error_bars(known),
                customdata=known[["name", "low", "high", "n"]],
                hovertemplate="%{customdata[0]}: %{y:.1f} % (%{customdata[1]:.1f} to "
                "%{customdata[2]:.1f}), n = %{customdata[3]:,}; %{x:.2f}<extra>"
                f"{label}</extra>",
            )
    figure.update_xaxes(title="size, MB", rangemode="tozero", row=1, col=1)
    figure.update_xaxes(title="milliseconds per image", rangemode="tozero", row=1, col=2)
    figure.update_yaxes(title="top-1 accuracy, %", row=1, col=1)
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    finish(figure, f"Accuracy on {counts} images, size and time", 420, legend_below=True)
    return Chart(figure, table, describe(table), f"deployment-{deployment.model}")


def describe(table: pd.DataFrame) -> str:
    """What the files save and cost, in one sentence each."""
    p = table[table["kind"] == P].iloc[0]
    parts = []
    files = table[table["kind"] == FILE_OF_Q]
    for name, smaller, faster, value in files[_FACTS].itertuples(index=False):
        speed = f"{faster:.2f} times as fast" + (", which is slower" if faster < 1 else "")
        parts.append(
            f"{name} is {smaller:.1f} times smaller and {speed}, with {value:.1f} instead of "
            f"{p['value']:.1f} % right"
        )
    return f"{'; '.join(parts)}."


def describe_schemes(deployment: Deployment) -> str:
    """Accuracy with both schemes at the same bits; "" without the default scheme."""
    integer = {row.bits: row for row in deployment.rows if row.kind in (FILE_OF_Q, SIMULATED)}
    pairs = [
        f"{100 * row.top1:.1f} % at {row.bits} (integer: {100 * integer[row.bits].top1:.1f} %)"
        for row in deployment.rows
        if row.kind == DEFAULT and row.bits in integer
    ]
    return f"The default scheme gets {', '.join(pairs)}." if pairs else ""
