"""The predictions of P and Q while patches are removed."""

from collections.abc import Mapping

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import (
    finish,
    in_percent,
    line_style,
    marker_style,
    model_label,
    point_style,
)

AREA = -1.0  # value of the column `share` in rows that hold the area under a curve
MEASURES = {
    "accuracy": "top-1 accuracy, %",
    "agreement": "same prediction as P, %",
    "apart": "KL from P to Q, bits",
    "moved": "KL from the prediction on the whole image, bits",
}
# Of dense tasks, see `maskaq.tasks.remaining`; the first one is the main one.
DENSE_MEASURES: Mapping[str, Mapping[str, str]] = {
    "segmentation": {
        "pixels": "pixels that keep their class, %",
        "object pixels": "pixels of objects that keep their class, %",
        "mIoU": "mIoU, %",
    },
    "detection": {
        "objects": "objects that are found again, %",
        "recall": "true objects that are found, %",
    },
}
_LABELS = MEASURES | {
    name: label for measures in DENSE_MEASURES.values() for name, label in measures.items()
}
ORDERS = {
    "informative": "informative patches first",
    "random": "patches in random order",
    "other": "least informative patches first",
}


def frame(table: pd.DataFrame, fill: str, measure: str, model: str) -> pd.DataFrame:
    """Columns order, away (removed share of the patches, %), value, low, high and n.

    Shares are in %. table: from `maskaq.precomputed.claims`, or from
    `maskaq.precomputed.dense_deletion` with one kind of patches; then also the column parts.
    """
    rows = table[(table["fill"] == fill) & (table["measure"] == measure)]
    rows = rows[(rows["model"] == model) & (rows["share"] != AREA)]
    rows = in_percent(rows) if "%" in _LABELS[measure] else rows
    rows = rows.assign(away=100 * rows["share"])
    columns = ["order", "away", "value", "low", "high", "n", "parts"]
    return rows[[name for name in columns if name in rows]].reset_index(drop=True)


def curves(table: pd.DataFrame, measure: str, fill: str, model: str, compared: str = "") -> Chart:
    """One line per order from `frame`. compared: patches, for the title."""
    figure = go.Figure()
    for number, order in enumerate(ORDERS):
        rows = table[table["order"] == order]
        figure.add_scatter(
            name=ORDERS[order],
            x=rows["away"],
            **line_style(rows, number, size=9),
            hovertemplate="%{x:.0f} % removed: %{y:.1f} (%{customdata[0]:.1f} to "
            f"%{{customdata[1]:.1f}}), n = %{{customdata[2]:,}}<extra>{ORDERS[order]}</extra>",
        )
    figure.update_xaxes(title="removed share of the patches, %")
    figure.update_yaxes(title=_LABELS[measure], rangemode="tozero")
    count = int(table["n"].max())
    title = f"{model_label(model)}: patches replaced by {fill}<br>n = {count:,} scenes"
    if compared:  # too long for one line
        title = f"{model_label(model)}, {compared}<br>replaced by {fill}, n = {count:,} scenes"
    finish(figure, title, 420, legend_below=True)
    alt = f"{model}{f', {compared}' if compared else ''}: {_describe(table, measure)}"
    return Chart(figure, table, alt, f"deletion-{model}")


def _describe(table: pd.DataFrame, measure: str) -> str:
    shared = table.groupby("away").filter(lambda rows: len(rows) == len(ORDERS))
    away = float(shared["away"].iloc[int((shared["away"] - 30).abs().to_numpy().argmin())])
    near = shared[shared["away"] == away].set_index("order")
    parts = [f"{near['value'][order]:.1f} with {ORDERS[order]}" for order in ORDERS]
    return f"With {away:.0f} % of the patches removed ({_LABELS[measure]}): {', '.join(parts)}."


def areas_frame(table: pd.DataFrame) -> pd.DataFrame:
    """Areas under the accuracy curves, in %: fill, order, model, value, low, high and n."""
    rows = table[(table["share"] == AREA) & (table["measure"] == "accuracy")]
    columns = ["fill", "order", "model", "value", "low", "high", "n"]
    return in_percent(rows)[columns].reset_index(drop=True)


def areas(table: pd.DataFrame) -> Chart:
    """Areas from `areas_frame`: a row per fill and model, a marker per order."""
    figure = go.Figure()
    for number, order in enumerate(ORDERS):
        rows = table[table["order"] == order]
        figure.add_scatter(
            name=ORDERS[order],
            y=[rows["fill"], [model_label(model) for model in rows["model"]]],
            **point_style(rows, marker_style(number), ORDERS[order], size=11),
        )
    figure.update_xaxes(title="mean accuracy from 0 to 100 % of the patches removed, %")
    figure.update_yaxes(autorange="reversed")
    row_count = len(table[["fill", "model"]].drop_duplicates())
    count = int(table["n"].max())
    title = f"Area under the accuracy curves<br>n = {count:,} scenes"
    finish(figure, title, 190 + 24 * row_count, legend_below=True)
    means = table[table["model"] == "P"].groupby("order")["value"].mean()
    parts = [f"{means[order]:.0f} % with {label}" for order, label in ORDERS.items()]
    alt = f"In P, averaged over all fills, the mean accuracy is {', '.join(parts)}."
    return Chart(figure, table, alt, "deletion-areas")
