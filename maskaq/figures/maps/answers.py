"""What P and Q answer for one picture, whole and with patches removed."""

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish

WHOLE, NOW = "whole picture", "now"
_SHOWN = 4  # classes


def frame(classes: Sequence[str], answers: dict[str, Sequence[Sequence[float]]]) -> pd.DataFrame:
    """Columns model, picture (whole picture, now), class and probability (in %).

    answers: by model, probabilities in 0..1 for the whole picture and for the picture now [2,K].
    """
    rows = [
        (model, picture, name, 100 * float(probability))
        for model, pair in answers.items()
        for picture, probabilities in zip((WHOLE, NOW), pair, strict=True)
        for name, probability in zip(classes, probabilities, strict=True)
    ]
    return pd.DataFrame(rows, columns=["model", "picture", "class", "probability"])


def answers(table: pd.DataFrame, title: str) -> Chart:
    """The most probable classes from `frame`: a row per class and model, an arrow's two ends."""
    most = table.groupby("class", sort=False)["probability"].max().nlargest(_SHOWN).index
    shown = table[table["class"].isin(most)]
    figure = go.Figure()
    # The ring is larger than the diamond, so that both are seen where they are in one place.
    styles = {WHOLE: (GREY, "circle-open", 18), NOW: (BLUE, "diamond", 10)}
    wide = shown.pivot_table(
        index=["class", "model"], columns="picture", values="probability", sort=False
    ).reset_index()
    for row in wide.itertuples(index=False):
        figure.add_scatter(
            x=[row[2], row[3]],
            y=[[row[0]] * 2, [row[1]] * 2],
            mode="lines",
            line={"color": VERMILLION, "width": 2},
            showlegend=False,
            hoverinfo="skip",
        )
    for picture, (colour, symbol, size) in styles.items():
        figure.add_scatter(
            name=picture,
            mode="markers",
            x=wide[picture],
            y=[wide["class"], wide["model"]],
            marker={"color": colour, "symbol": symbol, "size": size, "line": {"width": 2}},
            hovertemplate=f"%{{x:.1f}} %<extra>{picture}</extra>",
        )
    figure.update_xaxes(title="probability, %", range=[-3, 103])
    figure.update_yaxes(autorange="reversed")
    finish(figure, title, 170 + 26 * len(wide), legend_below=True)
    return Chart(figure, table, _describe(table), "answers")


def top(table: pd.DataFrame, model: str, picture: str) -> tuple[str, float]:
    """The class that a model finds most probable in a picture, and its probability in %."""
    rows = table[(table["model"] == model) & (table["picture"] == picture)]
    best = rows.sort_values("probability").iloc[-1]
    return str(best["class"]), float(best["probability"])


def _describe(table: pd.DataFrame) -> str:
    parts = []
    for model in dict.fromkeys(table["model"]):
        (before, first), (after, last) = (top(table, model, one) for one in (WHOLE, NOW))
        parts.append(f"{model} answers {after} ({last:.0f} %), before {before} ({first:.0f} %)")
    return "; ".join(parts) + "."
