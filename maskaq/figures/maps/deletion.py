"""What P and Q still answer while patches are taken away."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.style import called, finish, in_percent, line, mark, whiskers

AREA = -1.0  # the share that stands for the area under a curve
MEASURES = {
    "accuracy": "top-1 accuracy, %",
    "agreement": "same answer as P, %",
    "apart": "KL from P to Q, bits",
    "moved": "KL from the answer to the whole picture, bits",
}
ORDERS = {
    "informative": "informative patches first",
    "random": "patches in random order",
    "other": "least informative patches first",
}


def frame(table: pd.DataFrame, fill: str, measure: str, model: str) -> pd.DataFrame:
    """Columns order, away (share of patches, %), value, low, high and n of one model, from
    `maskaq.precomputed.claims`; accuracy and agreement in %."""
    rows = table[(table["fill"] == fill) & (table["measure"] == measure)]
    rows = rows[(rows["model"] == model) & (rows["share"] != AREA)]
    made = in_percent(rows) if "%" in MEASURES[measure] else rows
    made = made.assign(away=100 * rows["share"])
    return made[["order", "away", "value", "low", "high", "n"]].reset_index(drop=True)


def curves(table: pd.DataFrame, measure: str, fill: str, model: str) -> go.Figure:
    """One line per order from `frame`."""
    figure = go.Figure()
    for number, order in enumerate(ORDERS):
        rows = table[table["order"] == order]
        figure.add_scatter(
            name=ORDERS[order],
            x=rows["away"],
            **line(rows, number, size=9),
            hovertemplate="%{x:.0f} % away: %{y:.1f} (%{customdata[0]:.1f} to "
            f"%{{customdata[1]:.1f}}), n = %{{customdata[2]:,}}<extra>{ORDERS[order]}</extra>",
        )
    figure.update_xaxes(title="share of the patches that are away, %")
    figure.update_yaxes(title=MEASURES[measure], rangemode="tozero")
    count = int(table["n"].max())
    title = f"{called(model)}: patches turn to {fill}, n = {count:,} scenes"
    return finish(figure, title, 420, legend_below=True)


def describe(table: pd.DataFrame, measure: str) -> str:
    """The lines in one sentence, from `frame`."""
    near = table.loc[(table["away"] - 30).abs().groupby(table["order"]).idxmin()]
    parts = [
        f"{row['value']:.1f} with {ORDERS[row['order']]}"
        for _, row in near.set_index("order", drop=False).loc[list(ORDERS)].iterrows()
    ]
    away = float(near["away"].iloc[0])
    return f"With {away:.0f} % of the patches away ({MEASURES[measure]}): {', '.join(parts)}."


def areas_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Columns fill, order, model, value, low, high and n: areas under the accuracy curves, in %."""
    rows = table[(table["share"] == AREA) & (table["measure"] == "accuracy")]
    made = in_percent(rows)
    return made[["fill", "order", "model", "value", "low", "high", "n"]].reset_index(drop=True)


def areas(table: pd.DataFrame) -> go.Figure:
    """Areas from `areas_frame`: a line of dots per filling and model, a mark per order."""
    figure = go.Figure()
    for number, order in enumerate(ORDERS):
        rows = table[table["order"] == order]
        figure.add_scatter(
            name=ORDERS[order],
            mode="markers",
            x=rows["value"],
            y=[rows["fill"], rows["model"]],
            marker=mark(number) | {"size": 11},
            error_x=whiskers(rows),
            customdata=rows[["low", "high", "n"]],
            hovertemplate="%{x:.1f} % (%{customdata[0]:.1f} to %{customdata[1]:.1f}), "
            f"n = %{{customdata[2]:,}}<extra>{ORDERS[order]}</extra>",
        )
    figure.update_xaxes(title="mean accuracy from 0 to 100 % of the patches away, %")
    figure.update_yaxes(autorange="reversed")
    rows_drawn = len(table[["fill", "model"]].drop_duplicates())
    count = int(table["n"].max())
    title = f"Area under the accuracy curves, n = {count:,} scenes"
    return finish(figure, title, 190 + 24 * rows_drawn, legend_below=True)


def describe_areas(table: pd.DataFrame) -> str:
    """The dots in one sentence, from `areas_frame`."""
    rows = table[table["model"] == "P"]
    means = rows.groupby("order")["value"].mean()
    parts = [f"{means[order]:.0f} % with {words}" for order, words in ORDERS.items()]
    return f"In P, over all fillings, the mean accuracy is {', '.join(parts)}."
