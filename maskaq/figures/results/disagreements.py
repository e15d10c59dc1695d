"""The images for which P and Q predict different classes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.chart import Chart
from maskaq.figures.style import (
    BLUE,
    GREY,
    VERMILLION,
    error_bars,
    finish,
    marker_style,
    point_style,
)
from maskaq.intervals import wilson

Classes = NDArray[np.integer]
OUTCOMES = (
    "both right",
    "only P right",
    "only Q right",
    "both wrong, same class",
    "both wrong, different classes",
)


def frame(label: Classes, p: Classes, q: Classes, names: Sequence[str]) -> pd.DataFrame:
    """One row per image: image, true, P, Q (class names), outcome and agree.

    Args:
        label, p, q: the true class and the predictions of P and Q [N].
        names: the class names.
    """
    right_p, right_q = p == label, q == label
    outcome = np.select(
        [right_p & right_q, right_p, right_q, p == q], list(OUTCOMES[:4]), OUTCOMES[4]
    )
    classes = np.asarray(names, object)
    return pd.DataFrame(
        {
            "image": np.arange(len(label)),
            "true": classes[label],
            "P": classes[p],
            "Q": classes[q],
            "outcome": outcome,
            "agree": p == q,
        }
    )


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Columns outcome, images, value, low, high (in %) and n, from `frame`."""
    images = table["outcome"].value_counts()
    rows = []
    for outcome in OUTCOMES:
        hits = int(images.get(outcome, 0))
        share = wilson(hits, len(table))
        rows.append((outcome, hits, 100 * share.value, 100 * share.low, 100 * share.high, share.n))
    return pd.DataFrame(rows, columns=["outcome", "images", "value", "low", "high", "n"])


def outcomes(images: pd.DataFrame) -> Chart:
    """How often P, Q, both or neither are right, with 95 % intervals. images: from `frame`."""
    table = counts(images)
    figure = go.Figure()
    for number, (_, row) in enumerate(table.iterrows()):
        one = table.loc[[row.name]]
        figure.add_scatter(
            name=str(row["outcome"]),
            showlegend=False,
            y=[f"{row['outcome']}: {row['images']:,}"],
            **point_style(one, marker_style(number), "%{y}"),
        )
    figure.update_xaxes(title="share of the images, %", range=[-2, 102])
    figure.update_yaxes(autorange="reversed")
    n = int(table["n"].iloc[0])
    finish(figure, f"Which model is right on {n:,} images", 110 + 26 * len(table))
    return Chart(figure, table, _describe(table), "outcomes")


def _describe(table: pd.DataFrame) -> str:
    images = table.set_index("outcome")["images"]
    apart = images[["only P right", "only Q right", "both wrong, different classes"]].sum()
    return (
        f"P and Q disagree on {apart:,} of {int(table['n'].iloc[0]):,} images: only P is right on "
        f"{images['only P right']:,}, only Q on {images['only Q right']:,}."
    )


def by_class(table: pd.DataFrame) -> pd.DataFrame:
    """Share of disagreement by true class, largest first: true, value, low, high (in %) and n."""
    rows = []
    for name, group in table.groupby("true"):
        share = wilson(int((~group["agree"].astype(bool)).sum()), len(group))
        rows.append((name, 100 * share.value, 100 * share.low, 100 * share.high, share.n))
    shares = pd.DataFrame(rows, columns=["true", "value", "low", "high", "n"])
    return shares.sort_values("value", ascending=False, ignore_index=True)


def classes(shares: pd.DataFrame, chosen: str | None) -> Chart:
    """Share of disagreement of every class, clickable, from `by_class`. chosen: to highlight."""
    figure = go.Figure()
    figure.add_scatter(
        y=shares["true"],
        customdata=[[name] for name in shares["true"]],
        mode="markers",
        x=shares["value"],
        marker={
            "size": 12,
            "color": [VERMILLION if name == chosen else BLUE for name in shares["true"]],
            "symbol": ["diamond" if name == chosen else "circle" for name in shares["true"]],
        },
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": 1}},
        error_x=error_bars(shares) | {"color": GREY},
        hovertemplate="%{y}: %{x:.1f} %<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(title="share on which P and Q disagree, %")
    figure.update_yaxes(autorange="reversed")
    first, last = shares.iloc[0], shares.iloc[-1]
    finish(figure, "Disagreement by true class", 110 + 26 * len(shares))
    alt = (
        f"P and Q disagree most on {first['true']} ({first['value']:.1f} % of {first['n']:,} "
        f"images) and least on {last['true']} ({last['value']:.1f} %)."
    )
    return Chart(figure, shares, alt, "disagreements-by-class")
