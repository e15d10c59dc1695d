"""P against Q: dots for the shares, whiskers for their 95 % intervals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import BLUE, VERMILLION, finish

if TYPE_CHECKING:
    from maskaq.runs.result import RunResult

_MARKS = {"P": (BLUE, "circle"), "Q": (VERMILLION, "diamond")}


def frame(result: RunResult) -> pd.DataFrame:
    """Columns model (`P`, `Q`, `P and Q`), measure, value, low, high (all in %) and n."""
    shares = [
        (
            model,
            f"top-{k}",
            *(100 * getattr(found, f"top{k}{end}") for end in ("", "_low", "_high")),
        )
        for k in (1, 5)
        for model, found in (("P", result.fp), ("Q", result.q))
    ]
    agreement = (result.agreement, result.agreement_low, result.agreement_high)
    shares.append(("P and Q", "same answer", *(100 * share for share in agreement)))
    table = pd.DataFrame(shares, columns=["model", "measure", "value", "low", "high"])
    return table.assign(n=result.evaluated)


def accuracy(table: pd.DataFrame) -> go.Figure:
    """Top-1 and top-5 of P and Q from `frame`."""
    figure = go.Figure()
    for model, (colour, symbol) in _MARKS.items():
        rows = table[table["model"] == model]
        figure.add_scatter(
            name=model,
            showlegend=False,
            mode="markers",
            x=rows["value"],
            y=[[model] * len(rows), rows["measure"]][::-1],  # two-level axis: measure, then model
            marker={"color": colour, "symbol": symbol, "size": 12},
            error_x={
                "array": rows["high"] - rows["value"],
                "arrayminus": rows["value"] - rows["low"],
                "thickness": 2,
                "width": 6,
            },
            customdata=rows[["low", "high", "n"]],
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            "n = %{customdata[2]}<extra>" + model + "</extra>",
        )
    # Dots need no zero; a range that fits them shows the whiskers.
    lowest = max(0, 10 * math.floor((table["low"].min() - 2) / 10))
    figure.update_xaxes(title="right answers, %", range=[lowest, 101])
    figure.update_yaxes(autorange="reversed")
    count = int(table["n"].iloc[0])
    return finish(figure, f"Accuracy on {count:,} images, with 95 % intervals", 300)


def describe(table: pd.DataFrame) -> str:
    """The chart in one sentence, for those who cannot see it."""
    values = table.set_index(["measure", "model"])["value"]
    p, q = values["top-1", "P"], values["top-1", "Q"]
    change = "the same as" if abs(p - q) < 0.05 else f"{abs(p - q):.1f} points {_side(q - p)}"
    return f"Q is right on {q:.1f} % of the images, {change} P with {p:.1f} %."


def _side(difference: float) -> str:
    return "above" if difference > 0 else "below"
