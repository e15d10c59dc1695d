"""Comparison of runs: accuracy, agreement and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREEN, PALETTE, VERMILLION, finish, point_style

if TYPE_CHECKING:
    from maskaq.results.result import RunResult

MEASURES = {
    "P top-1": (BLUE, "circle"),
    "Q top-1": (VERMILLION, "diamond"),
    "agreement": (GREEN, "square"),
}
_HATCHES = ("", "/", "\\", "x", ".", "+", "-")


def names(results: Sequence[RunResult]) -> list[str]:
    """A short unique name for each run, such as `W4A4 maskaq, lsq-kd`.

    Model and seed are part of the name only where they differ between runs.
    """
    specs = [result.spec for result in results]
    details = [spec.model for spec in specs], [f"seed {spec.seed}" for spec in specs]
    labels = [
        f"{spec.quantization.name} {spec.synthesis.source}, {spec.fit.backend}" for spec in specs
    ]
    for column in details:
        if len(set(column)) > 1:
            labels = [f"{label}, {detail}" for label, detail in zip(labels, column, strict=True)]
    counts: dict[str, int] = {}
    for place, label in enumerate(labels):  # plotly merges rows that have the same name
        counts[label] = counts.get(label, 0) + 1
        labels[place] = label if counts[label] == 1 else f"{label} ({counts[label]})"
    return labels


def frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns run, measure (`P top-1`, `Q top-1`, `agreement`), value, low, high (in %) and n."""
    rows = []
    for name, result in zip(names(results), results, strict=True):
        shares = (result.top1_p, result.top1_q, result.agreeing)
        for measure, (*share, n) in zip(MEASURES, shares, strict=True):
            rows.append((name, measure, *(100 * number for number in share), n))
    return pd.DataFrame(rows, columns=["run", "measure", "value", "low", "high", "n"])


def runs(results: Sequence[RunResult]) -> Chart:
    """Accuracy of P and Q and their agreement, with 95 % intervals."""
    table = frame(results)
    figure = go.Figure()
    for measure, (colour, symbol) in MEASURES.items():
        rows = table[table["measure"] == measure]
        figure.add_scatter(
            name=measure,
            y=rows["run"],
            **point_style(rows, {"color": colour, "symbol": symbol}, measure, size=11),
        )
    _one_row_per_run(figure, table)
    figure.update_xaxes(title="share of the images, %")
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"Accuracy and agreement on {counts or 'no'} images, with 95 % intervals"
    finish(figure, title, 170 + 38 * table["run"].nunique(), legend_below=True)
    return Chart(figure, table, _describe(table), "compare-accuracy")


def _one_row_per_run(figure: go.Figure, table: pd.DataFrame) -> None:
    figure.update_yaxes(
        autorange="reversed", categoryorder="array", categoryarray=list(dict.fromkeys(table["run"]))
    )


def _describe(table: pd.DataFrame) -> str:
    q = table[table["measure"] == "Q top-1"].sort_values("value", ascending=False)
    if q.empty:
        return "No run is chosen."
    best, worst = q.iloc[0], q.iloc[-1]
    summary = f"Highest top-1 accuracy of Q: {best['run']} with {best['value']:.1f} %"
    if len(q) == 1:
        return summary + "."
    overlap = "; their intervals overlap" if worst["high"] >= best["low"] else ""
    return f"{summary}; lowest: {worst['run']} with {worst['value']:.1f} %{overlap}."


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


def cost(results: Sequence[RunResult]) -> Chart:
    """Seconds of every stage, as stacked bars."""
    table = cost_frame(results)
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
    _one_row_per_run(figure, table)
    figure.update_xaxes(title="seconds")
    figure.update_layout(barmode="stack")
    count = table["run"].nunique()
    title = f"Time of {count} run{'s' if count != 1 else ''}, one measurement each"
    finish(figure, title, 170 + 34 * count, legend_below=True)
    return Chart(figure, table, _describe_cost(table), "compare-cost")


def _describe_cost(table: pd.DataFrame) -> str:
    if table.empty:
        return "No run is chosen."
    totals = table.groupby("run", sort=False)["seconds"].sum()
    stages = table.groupby("stage")["seconds"].sum()
    peak = table["memory_mb"].max()
    summary = (
        f"Runs took {totals.min():.0f} to {totals.max():.0f} s, longest {totals.idxmax()}"
        if len(totals) > 1
        else f"The run took {totals.max():.0f} s"
    )
    return f"{summary}; {stages.idxmax()} took the most time; peak memory up to {peak:,.0f} MB."
