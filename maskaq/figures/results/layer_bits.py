"""The bits of each layer's weight in a run with mixed precision."""

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.results.tensors import place
from maskaq.figures.style import BLUE, GREY, VERMILLION, finish
from maskaq.results.result import RunResult


def frame(result: RunResult) -> pd.DataFrame:
    """Columns layer, tensor, bits and fixed, one row per quantized weight, in network order.

    fixed: whether the bits were not chosen: a first or last layer at 8 bits.
    """
    rows = [row for row in result.tensors if row.role == "weight" and row.quantized]
    ends = (rows[0].tensor, rows[-1].tensor) if rows else ()
    at_8 = result.spec.quantization.first_last == "8"
    return pd.DataFrame(
        {
            "layer": [_layer(row.tensor) for row in rows],
            "tensor": [row.tensor for row in rows],
            "bits": [row.bits for row in rows],
            "fixed": [at_8 and row.tensor in ends for row in rows],
        }
    )


def _layer(tensor: str) -> str:
    """`block 3, fc2` from `blocks.3.mlp.fc2.weight`."""
    block, part = place(tensor)
    return f"{block}, {part.removesuffix('.weight')}" if part != "weight" else block


def bars(result: RunResult) -> Chart:
    """One bar per layer, and a dashed line at the average that the run was given."""
    table, average = frame(result), result.spec.quantization.average_bits
    figure = go.Figure()
    for fixed, rows in table.groupby("fixed", sort=False):
        figure.add_bar(
            name="8 bits by choice" if fixed else "chosen by the solver",
            x=rows["layer"],
            y=rows["bits"],
            marker_color=GREY if fixed else BLUE,
            hovertemplate="%{x}: %{y} bits<extra></extra>",
        )
    figure.add_hline(y=average, line={"dash": "dash", "width": 1.5, "color": VERMILLION})
    figure.update_xaxes(title="layer, from input to output", type="category", tickangle=-60)
    figure.update_xaxes(categoryorder="array", categoryarray=list(table["layer"]))
    figure.update_yaxes(title="bits per weight", dtick=1, range=[0, 8.6])
    title = f"Bits of {len(table)} layers, {average:g} on average"
    finish(figure, title, 430, legend_below=True)
    return Chart(figure, table, describe(result), "layer-bits")


def describe(result: RunResult) -> str:
    """Which layers got the most bits and which the fewest, in one sentence."""
    chosen = frame(result).query("not fixed")
    most, fewest = chosen["bits"].max(), chosen["bits"].min()
    if most == fewest:
        return f"All layers between the first and the last have {most} bits."
    return (
        f"With {result.spec.quantization.average_bits:g} bits per weight on average, "
        f"{_named(chosen, most)} the most bits ({most}) and {_named(chosen, fewest)} the fewest "
        f"({fewest})."
    )


def _named(table: pd.DataFrame, bits: int) -> str:
    layers = [
        " of ".join(reversed(one.split(", "))) for one in table["layer"][table["bits"] == bits]
    ]
    if len(layers) == 1:
        return f"{layers[0]} has"
    if len(layers) == 2:
        return f"{layers[0]} and {layers[1]} have"
    return f"{layers[0]} and {len(layers) - 1} other layers have"
