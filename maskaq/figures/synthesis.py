"""The synthetic images: what P and Q see in them, and the terms of their loss."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.config import Coefficients
from maskaq.config.components import TERMS
from maskaq.figures.chart import Chart
from maskaq.figures.style import GREY, PALETTE, VERMILLION, finish


def gallery_frame(
    label: NDArray[np.integer],
    p: tuple[NDArray[np.integer], NDArray[np.floating]],
    q: tuple[NDArray[np.integer], NDArray[np.floating]],
    names: Sequence[str],
) -> pd.DataFrame:
    """Columns image, label, P, P_certainty, Q, Q_certainty (in %) and recognised (by P).

    Args:
        label: the class each image was synthesized for [N].
        p, q: the class each model predicts [N] and its probability in 0..1 [N].
        names: the class names.
    """
    classes = np.asarray(names, object)
    return pd.DataFrame(
        {
            "image": np.arange(len(label)),
            "label": classes[label],
            "P": classes[p[0]],
            "P_certainty": 100 * p[1].astype(np.float32),
            "Q": classes[q[0]],
            "Q_certainty": 100 * q[1].astype(np.float32),
            "recognised": p[0] == label,
        }
    )


def captions(table: pd.DataFrame) -> list[str]:
    """One caption per image: `coat: P coat 97 %, Q shirt 60 %`."""
    return [
        f"{row.label}: P {row.P} {row.P_certainty:.0f} %, Q {row.Q} {row.Q_certainty:.0f} %"
        for row in table.itertuples()
    ]


def describe_gallery(table: pd.DataFrame) -> str:
    """The gallery in one sentence, from `gallery_frame`."""
    recognised, same = int(table["recognised"].sum()), int((table["P"] == table["Q"]).sum())
    return (
        f"P recognises the intended class in {recognised} of {len(table)} images; "
        f"P and Q predict the same class for {same}."
    )


def loss_frame(curves: pd.DataFrame, weights: Coefficients) -> pd.DataFrame:
    """The parts of the synthesis loss: columns step, term, value, weight and part.

    A term that is measured in some steps only keeps its last value in between, so that the parts of
    every step add up to the loss that is minimised. Terms of weight 0 are left out, because they
    are not computed.

    curves: of a stored run.
    """
    rows = curves[curves["stage"] == "synthesis"]
    parts = []
    for name, weight in asdict(weights).items():
        values = rows[name].ffill() if name in rows else pd.Series(dtype=float)
        if weight and values.notna().any():
            part = {"term": name, "value": values, "weight": weight, "part": weight * values}
            parts.append(rows[["step"]].assign(**part))
    columns = ["step", "term", "value", "weight", "part"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def loss(table: pd.DataFrame, step: int) -> Chart:
    """What each term adds to the loss, from `loss_frame`, with a vertical line at one step."""
    together = table.groupby("step")["part"].sum()
    figure = go.Figure()
    for number, (term, rows) in enumerate(table.groupby("term", sort=False)):
        label = TERMS[str(term)].label
        figure.add_scatter(
            name=label,
            x=rows["step"],
            y=rows["part"],
            mode="lines",
            line={"width": 2, "dash": _DASHES[number % len(_DASHES)], "color": _colour(number)},
            customdata=rows[["value", "weight"]],
            hovertemplate="step %{x}: %{customdata[0]:.4g} x %{customdata[1]:g} = %{y:.3f}"
            f"<extra>{label}</extra>",
        )
    figure.add_scatter(
        name="together",
        x=together.index,
        y=together,
        mode="lines",
        line={"width": 4, "color": GREY},
        hovertemplate="step %{x}: %{y:.3f}<extra>together</extra>",
    )
    figure.add_vline(x=step, line={"dash": "dot", "width": 2, "color": VERMILLION})
    figure.update_xaxes(title="step of the synthesis")
    figure.update_yaxes(title="value x weight")
    finish(figure, "What each term adds to the loss", 420, legend_below=True)
    named = table.assign(term=[TERMS[str(name)].label for name in table["term"]])
    return Chart(figure, named, describe_loss(table, step), "terms")


def describe_loss(table: pd.DataFrame, step: int) -> str:
    """The loss at a step against that of the first step, and its largest part."""
    together = table.groupby("step")["part"].sum()
    here = table[table["step"] == step].set_index("term")["part"]
    if here.empty:
        return "No term was measured."
    return (
        f"After step {step} the loss is {here.sum():.2f}; it began at {together.iloc[0]:.2f}. Its "
        f"largest part is {TERMS[str(here.idxmax())].label} with {here.max():.2f}."
    )


_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid")


def _colour(number: int) -> str:
    return PALETTE[number % (len(PALETTE) - 1)]  # the last one is that of the sum


def dimmed(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], grid: tuple[int, int]
) -> NDArray[np.uint8]:
    """Images [n,3,S,S] with the patches outside their masks [n,N] darkened."""
    rows, columns = grid
    patch = images.shape[2] // rows, images.shape[3] // columns
    inside = masks.reshape(-1, 1, rows, columns)  # [n,1,rows,columns]
    inside = inside.repeat(patch[0], 2).repeat(patch[1], 3)  # [n,1,S,S]
    return np.where(inside, images, images // 4).astype(np.uint8)
