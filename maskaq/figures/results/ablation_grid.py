"""The accuracy of Q over a grid of two settings."""

import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart
from maskaq.figures.style import finish, labelled_heatmap, letter_cells, targets, write_plain

DONE = "finished"
_CELL = 52  # pixels
_COLUMNS = ["a", "b", "state", "value", "low", "high", "n"]


def frame(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells with all columns present and with numeric numbers.

    Columns a, b (values of the two axes, as text), state (`waiting`, `running`, `finished`,
    `failed`, `cancelled`, ...), value, low, high (top-1 in %, NaN until finished) and n.
    """
    table = cells.reindex(columns=_COLUMNS)
    numbers = {name: pd.to_numeric(table[name]) for name in ("value", "low", "high", "n")}
    return table.assign(a=table["a"].astype(str), b=table["b"].astype(str), **numbers)


def heatmap(cells: pd.DataFrame, a: str = "a", b: str = "b") -> Chart:
    """One cell per run: its accuracy with interval, or its state.

    Clicking a finished cell returns its two values, separated by a line break.

    Args:
        cells: the columns of `frame`, at least a, b and state.
        a, b: names of the two axes.
    """
    table = frame(cells)
    columns, rows = list(dict.fromkeys(table["a"])), list(dict.fromkeys(table["b"]))
    finished, others = table[table["state"] == DONE], table[table["state"] != DONE]
    labelled = (
        (y, x, value, f"<b>{value:.1f}</b><br>{low:.1f}-{high:.1f}")
        for x, y, _, value, low, high, _ in finished.itertuples(index=False)
    )
    figure = go.Figure(
        labelled_heatmap(
            rows, columns, labelled, "top-1, %", xgap=2, ygap=2, hoverinfo="skip", showscale=False
        )
    )
    letter_cells(figure)
    write_plain(figure, others["a"], others["b"], others["state"])
    _clickable(figure, finished, a, b)
    # Category axes: "4" and "8" are labels here, not positions on a number line.
    figure.update_xaxes(title=a, type="category", showgrid=False, categoryarray=columns)
    figure.update_yaxes(
        title=b, type="category", showgrid=False, categoryarray=rows, autorange="reversed"
    )
    counts = sorted(set(finished["n"].astype(int)))
    images = f" on {' and '.join(f'{count:,}' for count in counts)} images" if counts else ""
    title = f"Accuracy of Q, %{images}<br><sup>{len(finished)} of {len(table)} runs finished</sup>"
    finish(figure, title, 150 + _CELL * max(1, len(rows)))
    named = table.rename(columns={"a": a, "b": b})
    return Chart(figure, named, _describe(table), f"grid-{a}-{b}")


def _clickable(figure: go.Figure, finished: pd.DataFrame, a: str, b: str) -> None:
    hover = [
        f"{a} {x}, {b} {y}<br>{value:.1f} % ({low:.1f} to {high:.1f}), n = {n:,.0f}"
        for x, y, _, value, low, high, n in finished.itertuples(index=False)
    ]
    values = [f"{x}\n{y}" for x, y in zip(finished["a"], finished["b"], strict=True)]
    targets(figure, list(finished["a"]), list(finished["b"]), values, hover, size=_CELL - 8)


def _describe(table: pd.DataFrame) -> str:
    done = table[table["state"] == DONE]
    progress = f"{len(done)} of {len(table)} runs are finished"
    if done.empty:
        return progress + "."
    order = done["value"].to_numpy()
    best, worst = done.iloc[int(order.argmax())], done.iloc[int(order.argmin())]
    return (
        f"{progress}; best is {best['a']} with {best['b']} ({best['value']:.1f} %), worst "
        f"{worst['a']} with {worst['b']} ({worst['value']:.1f} %)."
    )
