"""The images on which P and Q name different classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.style import finish, mark, whiskers
from maskaq.intervals import wilson

Classes = NDArray[np.integer]
OUTCOMES = (
    "both right",
    "only P right",
    "only Q right",
    "both wrong, same answer",
    "both wrong, different",
)


def frame(label: Classes, p: Classes, q: Classes, names: Sequence[str]) -> pd.DataFrame:
    """Columns image, true, P, Q (class names), outcome and agree, one row per image, from [N]."""
    right_p, right_q = p == label, q == label
    outcome = np.select(
        [right_p & right_q, right_p, right_q, p == q], list(OUTCOMES[:4]), OUTCOMES[4]
    )
    words = np.asarray(names, object)
    return pd.DataFrame(
        {
            "image": np.arange(len(label)),
            "true": words[label],
            "P": words[p],
            "Q": words[q],
            "outcome": outcome,
            "agree": p == q,
        }
    )


def shown(
    table: pd.DataFrame, name: str | None = None, limit: int = 24
) -> tuple[pd.DataFrame, str]:
    """The images P and Q disagree on, of one true class or of all; and `showing 24 of 281`."""
    rows = table[~table["agree"].astype(bool)]
    if name is not None:
        rows = rows[rows["true"] == name]
    few = rows.head(limit).drop(columns="agree").reset_index(drop=True)
    return few, f"showing {len(few):,} of {len(rows):,}"


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Columns outcome, images, value, low, high (in %) and n, from `frame`."""
    found = table["outcome"].value_counts()
    rows = []
    for outcome in OUTCOMES:
        hits = int(found.get(outcome, 0))
        share = wilson(hits, len(table))
        rows.append((outcome, hits, 100 * share.value, 100 * share.low, 100 * share.high, share.n))
    return pd.DataFrame(rows, columns=["outcome", "images", "value", "low", "high", "n"])


def outcomes(table: pd.DataFrame) -> go.Figure:
    """How often which of the two is right, from `counts`: dots with 95 % intervals."""
    figure = go.Figure()
    for number, (_, row) in enumerate(table.iterrows()):
        one = table.loc[[row.name]]
        figure.add_scatter(
            name=str(row["outcome"]),
            showlegend=False,
            mode="markers",
            x=one["value"],
            y=[f"{row['outcome']}: {row['images']:,}"],
            marker=mark(number) | {"size": 12},
            error_x=whiskers(one),
            customdata=one[["low", "high", "n"]],
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            "n = %{customdata[2]}<extra>%{y}</extra>",
        )
    figure.update_xaxes(title="share of the images, %", range=[-2, 102])
    figure.update_yaxes(autorange="reversed")
    n = int(table["n"].iloc[0])
    return finish(figure, f"Who is right on {n:,} images, with 95 % intervals", 320)


def describe(table: pd.DataFrame) -> str:
    """The chart in one sentence, from `counts`."""
    images = table.set_index("outcome")["images"]
    apart = images["only P right"] + images["only Q right"] + images["both wrong, different"]
    return (
        f"P and Q disagree on {apart:,} of {int(table['n'].iloc[0]):,} images: "
        f"{images['only P right']:,} only P gets right, {images['only Q right']:,} only Q."
    )


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Columns true, value, low, high (share of disagreement in %) and n, most first."""
    rows = []
    for name, group in table.groupby("true"):
        share = wilson(int((~group["agree"].astype(bool)).sum()), len(group))
        rows.append((name, 100 * share.value, 100 * share.low, 100 * share.high, share.n))
    found = pd.DataFrame(rows, columns=["true", "value", "low", "high", "n"])
    return found.sort_values("value", ascending=False, ignore_index=True)
