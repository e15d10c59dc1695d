"""A lower bound of the mutual information between patches and a prediction."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import (
    VERMILLION,
    finish,
    line_style,
    model_label,
    reference_line,
    targets,
)

PATCHES = {
    "informative": "the informative patches",
    "as many others": "as many other patches",
    "all others": "all other patches",
}


def frame(table: pd.DataFrame, fill: str, model: str) -> pd.DataFrame:
    """Columns patches, ratio (in %), value, low, high, entropy (bits) and n of one model.

    table: from `maskaq.precomputed.claims`.
    """
    rows = table[(table["fill"] == fill) & (table["model"] == model)]
    rows = rows.assign(ratio=100 * rows["ratio"])
    return rows[["patches", "ratio", "value", "low", "high", "entropy", "n"]].reset_index(drop=True)


def bounds(table: pd.DataFrame, fill: str, model: str, ratio: float | None = None) -> Chart:
    """One line per set of patches, from `frame`, and the entropy of the predictions.

    A click on a point returns its mask ratio, in 0..1.

    ratio: the mask ratio to mark with a vertical line.
    """
    figure = go.Figure()
    for number, (patches, label) in enumerate(PATCHES.items()):
        rows = table[table["patches"] == patches]
        figure.add_scatter(
            name=label,
            x=rows["ratio"],
            **line_style(rows, number),
            hovertemplate="%{y:.2f} bits (%{customdata[0]:.2f} to %{customdata[1]:.2f}), "
            f"n = %{{customdata[2]:,}}<extra>{label}</extra>",
        )
        ratios = (rows["ratio"] / 100).tolist()
        hover = [
            f"{label}, mask ratio {one:.0%}: {y:.2f} bits"
            for one, y in zip(ratios, rows["value"], strict=True)
        ]
        targets(figure, rows["ratio"], rows["value"], ratios, hover, size=6)
    if ratio is not None:
        figure.add_vline(x=100 * ratio, line={"dash": "dot", "width": 2, "color": VERMILLION})
    entropy = float(table["entropy"].iloc[0])
    reference_line(figure, entropy, f"entropy of the prediction: {entropy:.2f} bits")
    figure.update_xaxes(title="mask ratio, % of the patches")
    figure.update_yaxes(title="information, bits (lower bound)")
    count = int(table["n"].max())
    title = f"Information about the prediction of {model_label(model)}"
    title += f"<br>others by {fill}, n = {count:,} scenes"
    finish(figure, title, 400, legend_below=True)
    return Chart(figure, table, _describe(table), f"information-{model}")


def _describe(table: pd.DataFrame) -> str:
    nearest = float(table["ratio"].iloc[int(np.abs(table["ratio"].to_numpy() - 30).argmin())])
    rows = table[table["ratio"] == nearest].set_index("patches")["value"]
    parts = [f"{label} {rows[patches]:.2f}" for patches, label in PATCHES.items()]
    return (
        f"Lower bounds at a mask ratio of {nearest:.0f} %, in bits, of an entropy of "
        f"{table['entropy'].iloc[0]:.2f}: {', '.join(parts)}."
    )
