"""Comparison of runs: accuracy, agreement and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREEN, PALETTE, VERMILLION, finish, point_style
from maskaq.results.result import main_metrics

if TYPE_CHECKING:
    from maskaq.results.result import RunResult

P, Q, AGREEMENT = "P, full precision", "Q, quantized", "agreement"
MEASURES = {P: (BLUE, "circle"), Q: (VERMILLION, "diamond"), AGREEMENT: (GREEN, "square")}
_HATCHES = ("", "/", "\\", "x", ".", "+", "-")
_STEP = 0.24  # between the points of a row, whose distance to the next row is 1
_DIMMED = 0.6  # opacity of the points that are not clicked
_SPARE = 0.06  # of the range of the x axis, left free on either side


def names(results: Sequence[RunResult]) -> list[str]:
    """A short unique name for each run, such as `W4A4 maskaq, lsq-kd`.

    Model and seed are part of the name only where they differ between runs.
    """
    specs = [result.spec for result in results]
    details = [spec.model for spec in specs], [f"seed {spec.seed}" for spec in specs]
    labels = [
        f"{spec.quantization.label} {spec.synthesis.source}, {spec.fit.backend}" for spec in specs
    ]
    for column in details:
        if len(set(column)) > 1:
            labels = [f"{label}, {detail}" for label, detail in zip(labels, column, strict=True)]
    return _unique(labels)


def short_names(results: Sequence[RunResult]) -> list[str]:
    """As `names`, with only those parts in which the runs differ, or else the source: `noise`."""
    specs = [result.spec for result in results]
    parts = (
        [spec.quantization.label for spec in specs],
        [spec.synthesis.source for spec in specs],
        [spec.fit.backend for spec in specs],
        [spec.model for spec in specs],
        [f"seed {spec.seed}" for spec in specs],
    )
    differing = [column for column in parts if len(set(column)) > 1]
    if not differing:
        differing = [parts[1]]
    return _unique([" ".join(row) for row in zip(*differing, strict=True)])


def _unique(labels: list[str]) -> list[str]:
    """Plotly merges rows that have the same name, so later ones get a number."""
    counts: dict[str, int] = {}
    found = []
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
        found.append(label if counts[label] == 1 else f"{label} ({counts[label]})")
    return found


def frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns run, measure (of `MEASURES`), value, low, high (in %) and n."""
    rows = []
    for name, result in zip(short_names(results), results, strict=True):
        shares = (result.top1_p, result.top1_q, result.agreeing)
        for measure, (*share, n) in zip(MEASURES, shares, strict=True):
            rows.append((name, measure, *(100 * number for number in share), n))
    return pd.DataFrame(rows, columns=["run", "measure", "value", "low", "high", "n"])


def runs(results: Sequence[RunResult]) -> Chart:
    """Accuracy of P and Q and their agreement, with 95 % intervals.

    P is one line if all runs have the same. Clicking a point returns the name of its run.
    """
    table = frame(results)
    order = list(dict.fromkeys(table["run"]))
    figure = go.Figure()
    points = list(MEASURES)
    if one_p(table):
        _line_of_p(figure, table, len(order))
        points.remove(P)
    for number, measure in enumerate(points):
        rows = table[table["measure"] == measure]
        colour, symbol = MEASURES[measure]
        style = point_style(rows, {"color": colour, "symbol": symbol}, measure, size=11)
        shift = _STEP * (number - (len(points) - 1) / 2)
        figure.add_scatter(
            name=measure,
            y=[order.index(name) + shift for name in rows["run"]],
            unselected={"marker": {"opacity": _DIMMED}},
            **style | _named(rows, measure),
        )
    _one_row_per_run(figure, order)
    figure.update_xaxes(title="accuracy and agreement, %", range=_reach(table))
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"Accuracy on {counts or 'no'} images, 95 % intervals"
    finish(figure, title, 190 + 40 * len(order), legend_below=True)
    return Chart(figure, table, _describe(table, main_metrics(results)), "compare-accuracy")


def one_p(table: pd.DataFrame) -> bool:
    """Whether P has the same accuracy in all runs, from `frame`."""
    p = table[table["measure"] == P]
    return len(p[["value", "low", "high", "n"]].drop_duplicates()) == 1


def _line_of_p(figure: go.Figure, table: pd.DataFrame, count: int) -> None:
    """P as a vertical line, with its interval as a band."""
    value, low, high, n = table.loc[table["measure"] == P, ["value", "low", "high", "n"]].iloc[0]
    figure.add_vrect(low, high, fillcolor=BLUE, opacity=0.15, line_width=0, layer="below")
    figure.add_scatter(
        name=P,
        mode="lines",
        x=[value, value],
        y=[-0.5, count - 0.5],
        line={"color": BLUE, "width": 2, "dash": "dash"},
        hovertemplate=f"{value:.1f} % ({low:.1f} to {high:.1f}), n = {n:,.0f}<extra>{P}</extra>",
    )


def _named(rows: pd.DataFrame, measure: str) -> dict[str, object]:
    """Custom data that begin with the name of the run, which a click returns."""
    return {
        "customdata": rows[["run", "low", "high", "n"]],
        "hovertemplate": "%{customdata[0]}: %{x:.1f} % (%{customdata[1]:.1f} to "
        f"%{{customdata[2]:.1f}}), n = %{{customdata[3]:,}}<extra>{measure}</extra>",
    }


def _reach(table: pd.DataFrame) -> list[float] | None:
    """The ends of the x axis: all intervals, and a little more."""
    if table.empty:
        return None
    low, high = float(table["low"].min()), float(table["high"].max())
    spare = _SPARE * (high - low or 1)
    return [low - spare, high + spare]


def _one_row_per_run(figure: go.Figure, order: list[str]) -> None:
    """Rows by number, so that the points of a row can stand one above the other."""
    figure.update_yaxes(
        tickvals=list(range(len(order))),
        ticktext=order,
        range=[len(order) - 0.5, -0.5],
        zeroline=False,
    )


def _describe(table: pd.DataFrame, metric: str) -> str:
    q = table[table["measure"] == Q].sort_values("value", ascending=False)
    if q.empty:
        return "No run is chosen."
    best, worst = q.iloc[0], q.iloc[-1]
    if len(q) == 1:
        if metric == "top-1":
            return f"Q is right on {best['value']:.1f} % of the images ({best['run']})."
        return f"Q has {best['value']:.1f} % {metric} ({best['run']})."
    what = "top-1 accuracy" if metric == "top-1" else metric
    summary = f"Highest {what} of Q: {best['run']} with {best['value']:.1f} %"
    overlap = "; their intervals overlap" if worst["high"] >= best["low"] else ""
    return f"{summary}; lowest: {worst['run']} with {worst['value']:.1f} %{overlap}."


def cost_frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns run, stage, seconds, memory_mb (peak) and device; one row per stage of a run."""
    return pd.DataFrame(
        [
            (name, stage, seconds, result.peak_memory_mb, result.device)
            for name, result in zip(short_names(results), results, strict=True)
            for stage, seconds in result.seconds.items()
            if stage != "total"
        ],
        columns=["run", "stage", "seconds", "memory_mb", "device"],
    )


def cost(results: Sequence[RunResult]) -> Chart:
    """Seconds of every stage, as stacked bars. Clicking a bar returns the name of its run."""
    table = cost_frame(results)
    order = list(dict.fromkeys(table["run"]))
    figure = go.Figure()
    for number, (stage, rows) in enumerate(table.groupby("stage", sort=False)):
        figure.add_bar(
            name=str(stage),
            orientation="h",
            x=rows["seconds"],
            y=[order.index(name) for name in rows["run"]],
            marker={
                "color": PALETTE[number % len(PALETTE)],
                "pattern": {"shape": _HATCHES[number % len(_HATCHES)], "size": 6},
            },
            unselected={"marker": {"opacity": _DIMMED}},
            customdata=rows[["run", "memory_mb", "device"]],
            hovertemplate="%{customdata[0]}: %{x:.1f} s, peak %{customdata[1]:,.0f} MB on "
            "%{customdata[2]}"
            f"<extra>{stage}</extra>",
        )
    _one_row_per_run(figure, order)
    figure.update_xaxes(title="seconds")
    figure.update_layout(barmode="stack")
    title = f"Time of {len(order)} run{'s' if len(order) != 1 else ''}, measured once each"
    finish(figure, title, 170 + 34 * len(order), legend_below=True)
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
