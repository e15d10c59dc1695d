"""Runs side by side: accuracy, agreement and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import BLUE, GREEN, PALETTE, VERMILLION, finish, whiskers

if TYPE_CHECKING:
    from maskaq.results.result import RunResult

_MEASURES = {
    "P top-1": (BLUE, "circle"),
    "Q top-1": (VERMILLION, "diamond"),
    "same answer": (GREEN, "square"),
}
_HATCHES = ("", "/", "\\", "x", ".", "+", "-")


def names(results: Sequence[RunResult]) -> list[str]:
    """A short name for each run, `W4A4 maskaq, lsq-kd`; more is said only where it differs."""
    specs = [result.spec for result in results]
    more = {
        "model": [spec.model for spec in specs],
        "seed": [f"seed {spec.seed}" for spec in specs],
    }
    found = [
        f"{spec.quantization.name} {spec.synthesis.source}, {spec.fit.backend}" for spec in specs
    ]
    for column in more.values():
        if len(set(column)) > 1:
            found = [f"{name}, {word}" for name, word in zip(found, column, strict=True)]
    seen: dict[str, int] = {}
    for place, name in enumerate(found):  # two lines of the same name would be drawn as one
        seen[name] = seen.get(name, 0) + 1
        found[place] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return found


def frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns run, measure (`P top-1`, `Q top-1`, `same answer`), value, low, high (in %) and n."""
    rows = []
    for name, result in zip(names(results), results, strict=True):
        shares = (
            (result.fp.top1, result.fp.top1_low, result.fp.top1_high),
            (result.q.top1, result.q.top1_low, result.q.top1_high),
            (result.agreement, result.agreement_low, result.agreement_high),
        )
        for measure, share in zip(_MEASURES, shares, strict=True):
            rows.append((name, measure, *(100 * number for number in share), result.evaluated))
    return pd.DataFrame(rows, columns=["run", "measure", "value", "low", "high", "n"])


def runs(table: pd.DataFrame) -> go.Figure:
    """Accuracy of P and Q and their agreement from `frame`, dots with 95 % intervals."""
    figure = go.Figure()
    for measure, (colour, symbol) in _MEASURES.items():
        rows = table[table["measure"] == measure]
        figure.add_scatter(
            name=measure,
            mode="markers",
            x=rows["value"],
            y=rows["run"],
            marker={"color": colour, "symbol": symbol, "size": 11},
            error_x=whiskers(rows),
            customdata=rows[["low", "high", "n"]],
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            f"n = %{{customdata[2]}}<extra>{measure}</extra>",
        )
    _by_run(figure, table)
    figure.update_xaxes(title="share of the images, %")
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"Accuracy and agreement on {counts or 'no'} images, with 95 % intervals"
    return finish(figure, title, 170 + 38 * table["run"].nunique(), legend_below=True)


def _by_run(figure: go.Figure, table: pd.DataFrame) -> None:
    figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=list(dict.fromkeys(table["run"]))
    )


def describe(table: pd.DataFrame) -> str:
    """The chart in one sentence, from `frame`."""
    q = table[table["measure"] == "Q top-1"].sort_values("value", ascending=False)
    if q.empty:
        return "No run is chosen."
    best, worst = q.iloc[0], q.iloc[-1]
    said = f"Highest is {best['run']} with {best['value']:.1f} % right"
    if len(q) == 1:
        return said + "."
    apart = "; their intervals overlap" if worst["high"] >= best["low"] else ""
    return f"{said}, lowest {worst['run']} with {worst['value']:.1f} %{apart}."


def cost_frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns run, stage, seconds, memory_mb (peak) and device; one row per stage of a run."""
    return pd.DataFrame(
        [
            (name, stage, seconds, result.peak_memory_mb, result.device)
            for name, result in zip(names(results), results, strict=True)
            for stage, seconds in result.seconds.items()
            if stage != "total"
        ],
        columns=["run", "stage", "seconds", "memory_mb", "device"],
    )


def cost(table: pd.DataFrame) -> go.Figure:
    """Seconds of every stage from `cost_frame`, as bars on end."""
    figure = go.Figure()
    for number, (stage, rows) in enumerate(table.groupby("stage", sort=False)):
        figure.add_bar(
            name=str(stage),
            orientation="h",
            x=rows["seconds"],
            y=rows["run"],
            marker={
                "color": PALETTE[number % len(PALETTE)],
                "pattern": {"shape": _HATCHES[number % len(_HATCHES)], "size": 6},
            },
            customdata=rows[["memory_mb", "device"]],
            hovertemplate="%{x:.1f} s, peak %{customdata[0]:,.0f} MB on %{customdata[1]}"
            f"<extra>{stage}</extra>",
        )
    _by_run(figure, table)
    figure.update_xaxes(title="seconds")
    figure.update_layout(barmode="stack")
    count = table["run"].nunique()
    title = f"What {count} run{'s' if count != 1 else ''} cost, one measurement each"
    return finish(figure, title, 170 + 34 * count, legend_below=True)


def describe_cost(table: pd.DataFrame) -> str:
    """The chart in one sentence, from `cost_frame`."""
    if table.empty:
        return "No run is chosen."
    totals = table.groupby("run", sort=False)["seconds"].sum()
    stages = table.groupby("stage")["seconds"].sum()
    peak = table["memory_mb"].max()
    took = (
        f"Runs took {totals.min():.0f} to {totals.max():.0f} s, longest {totals.idxmax()}"
        if len(totals) > 1
        else f"The run took {totals.max():.0f} s"
    )
    return f"{took}; {stages.idxmax()} took the most time; peak memory up to {peak:,.0f} MB."
