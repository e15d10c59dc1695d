"""The accuracy of P and Q, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, VERMILLION, finish, marker_style, point_style
from maskaq.results.result import main_metrics

if TYPE_CHECKING:
    from maskaq.results.result import RunResult

_TOP1 = "top-1"
_MARKS = {"P": (BLUE, "circle"), "Q": (VERMILLION, "diamond")}


def frame(result: RunResult) -> pd.DataFrame:
    """Columns model (`P`, `Q`, `P and Q`), measure, value, low, high (all in %) and n."""
    rows = [
        (model, name, *(100 * getattr(shares, f"top{k}{end}") for end in ("", "_low", "_high")))
        for k, name in zip((1, 5), result.metrics, strict=True)
        for model, shares in (("P", result.fp), ("Q", result.q))
    ]
    rows.append(("P and Q", "agreement", *(100 * share for share in result.agreeing[:3])))
    table = pd.DataFrame(rows, columns=["model", "measure", "value", "low", "high"])
    return table.assign(n=result.evaluated)


def p_and_q(result: RunResult) -> Chart:
    """Both metrics of P and Q."""
    table = frame(result)
    figure = go.Figure()
    for model, (colour, symbol) in _MARKS.items():
        rows = table[table["model"] == model]
        figure.add_scatter(
            name=model,
            showlegend=False,
            y=[rows["measure"], [model] * len(rows)],  # two-level axis
            **point_style(rows, {"color": colour, "symbol": symbol}, model),
        )
    # Points, unlike bars, need no zero; a tight range makes the error bars visible.
    lowest = max(0, 10 * math.floor((table["low"].min() - 2) / 10))
    title = " and ".join(result.metrics) if result.dense else "correct answers"
    figure.update_xaxes(title=f"{title}, %", range=[lowest, 101])
    figure.update_yaxes(autorange="reversed")
    count = int(table["n"].iloc[0])
    finish(figure, f"Accuracy on {count:,} images, with 95 % intervals", 300)
    return Chart(figure, table, _describe(table, result), "accuracy")


def _describe(table: pd.DataFrame, result: RunResult) -> str:
    metric = result.metrics[0]
    values = table.set_index(["measure", "model"])["value"]
    p, q = values[metric, "P"], values[metric, "Q"]
    change = (
        "the same as"
        if abs(p - q) < 0.05
        else f"{abs(p - q):.1f} points {'above' if q > p else 'below'}"
    )
    if result.dense:
        return f"Q has {q:.1f} % {metric}, {change} P with {p:.1f} %."
    return f"Q is right on {q:.1f} % of the images, {change} P with {p:.1f} %."


def sources_frame(results: Sequence[RunResult]) -> pd.DataFrame:
    """Columns model, source, backend, bits, value, low, high (top-1 in %) and n.

    The rows of P come first, one for each model and set of evaluation images; P has the source
    `none`. One row per Q follows.
    """
    rows: list[tuple[object, ...]] = []
    for result in results:
        fp = (result.spec.model, "none", "none", "float32", *_top1(result, "fp"))
        if fp not in rows:
            rows.append(fp)
    for result in results:
        spec = result.spec
        options = (spec.synthesis.source, spec.fit.backend, spec.quantization.name)
        rows.append((spec.model, *options, *_top1(result, "q")))
    columns = ["model", "source", "backend", "bits", "value", "low", "high", "n"]
    return pd.DataFrame(rows, columns=columns)


def _top1(result: RunResult, which: str) -> tuple[float, float, float, int]:
    value, low, high, n = result.top1_p if which == "fp" else result.top1_q
    return 100 * value, 100 * low, 100 * high, n


def sources(results: Sequence[RunResult]) -> Chart:
    """Top-1 accuracy of P and every Q by sample source; one marker style per number format."""
    table = sources_frame(results)
    names = _names(table)
    figure = go.Figure()
    for number, (bits, rows) in enumerate(table.groupby("bits", sort=False)):
        figure.add_scatter(
            name=str(bits),
            y=names[rows.index],
            **point_style(rows, marker_style(number), "%{y}"),
        )
    lowest = max(0, 10 * math.floor((table["low"].min() - 2) / 10)) if len(table) else 0
    metric = main_metrics(results) or _TOP1
    axis = "top-1 accuracy" if metric == _TOP1 else metric
    figure.update_xaxes(title=f"{axis}, %", range=[lowest, 101])
    figure.update_yaxes(
        categoryorder="array", categoryarray=list(dict.fromkeys(names)), autorange="reversed"
    )
    counts = " and ".join(f"{count:,}" for count in sorted(set(table["n"])))
    title = f"P and Q on {counts or 'no'} images, with 95 % intervals"
    finish(figure, title, 170 + 34 * names.nunique(), legend_below=True)
    return Chart(figure, table, _describe_sources(table, metric), "sources")


def _names(table: pd.DataFrame) -> pd.Series[str]:
    """A label for each row, with only the details in which rows differ."""
    names = "Q from " + table["source"]
    if table.loc[table["source"] != "none", "backend"].nunique() > 1:
        names += ", " + table["backend"]
    names[table["source"] == "none"] = "P"
    return names + ", " + table["model"] if table["model"].nunique() > 1 else names


def _describe_sources(table: pd.DataFrame, metric: str) -> str:
    p, q = table[table["source"] == "none"], table[table["source"] != "none"]
    if q.empty:
        return "No run to show."
    ordered = q.sort_values("value", ascending=False)
    parts = [
        f"{source} at {bits} {value:.1f} %"
        for source, bits, value in ordered[["source", "bits", "value"]].itertuples(index=False)
    ]
    share = f"{p['value'].max():.1f} %"
    of_p = f"P is right on {share}" if metric == _TOP1 else f"P has {share} {metric}"
    return f"{of_p}; Q by sample source: {', '.join(parts)}."
