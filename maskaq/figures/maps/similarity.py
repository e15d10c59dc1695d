"""How alike the patches' attention is: matrix, distribution and entropy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.style import BLUE, GREEN, GREY, SEQUENTIAL, VERMILLION, finish, mark, whiskers

Values = NDArray[np.floating]
_BINS = 50
_DASHES = ("solid", "dash", "dot")


def frame(similarity: Values) -> pd.DataFrame:
    """Columns patch, other and similarity, one row per entry of a matrix [N,N]."""
    patch, other = np.indices(similarity.shape)
    flat = similarity.astype(np.float32).ravel()
    return pd.DataFrame({"patch": patch.ravel(), "other": other.ravel(), "similarity": flat})


def matrix(similarity: Values, title: str = "Similarity of every pair of patches") -> go.Figure:
    """Cosine similarities S [N,N] as a map, from 0 (from -1 if any is negative) to 1."""
    figure = go.Figure(
        go.Heatmap(
            z=similarity.astype(np.float32),
            colorscale=SEQUENTIAL,
            zmin=-1 if similarity.min() < -1e-3 else 0,
            zmax=1,
            colorbar={"title": {"text": "cosine similarity", "side": "right"}, "thickness": 12},
            hovertemplate="patches %{y} and %{x}: %{z:.3f}<extra></extra>",
        )
    )
    figure.update_xaxes(title="patch, row by row", constrain="domain")
    figure.update_yaxes(
        title="patch, row by row", autorange="reversed", scaleanchor="x", constrain="domain"
    )
    return finish(figure, f"{title} ({len(similarity)} patches)", 420)


def describe(table: pd.DataFrame) -> str:
    """The matrix in one sentence, from `frame`."""
    pairs = table[table["patch"] != table["other"]]["similarity"]
    return (
        f"Two different patches have a mean similarity of {pairs.mean():.2f}, from "
        f"{pairs.min():.2f} to {pairs.max():.2f}, standard deviation {pairs.std(ddof=0):.3f}."
    )


def histogram_frame(
    values: Values, gauss: tuple[float, float], kde: tuple[Values, Values]
) -> pd.DataFrame:
    """Columns low, high, count, density, gaussian and kernel, one row per bin.

    The last two are the densities of the normal distribution (mean, std) and of the kernel
    estimate (x, y) at the middle of the bin.
    """
    flat = np.asarray(values, np.float32).ravel()
    margin = max(0.01, 0.05 * float(np.ptp(flat)))
    counts, edges = np.histogram(flat, _BINS, (flat.min() - margin, flat.max() + margin))
    middle = (edges[:-1] + edges[1:]) / 2
    return pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": counts,
            "density": counts / (flat.size * np.diff(edges)),
            "gaussian": _normal(middle, *gauss),
            "kernel": np.interp(middle, *kde, left=0, right=0),
        }
    )


def _normal(x: Values, mean: float, std: float) -> Values:
    std = max(std, 1e-4)  # a single value would have no width to draw
    density: Values = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    return density


def histogram(
    values: Values,
    gauss: tuple[float, float],
    kde: tuple[Values, Values],
    title: str = "How the similarities are spread",
) -> go.Figure:
    """Histogram of similarities [M], with a Gaussian (mean, std) and a kernel density (x, y)."""
    table = histogram_frame(values, gauss, kde)
    low, high = float(table["low"].iloc[0]), float(table["high"].iloc[-1])
    x = np.linspace(low, high, 256, dtype=np.float32)
    figure = go.Figure()
    figure.add_bar(
        name="similarities",
        x=(table["low"] + table["high"]) / 2,
        y=table["density"],
        width=table["high"] - table["low"],
        marker={"color": GREY, "line": {"width": 0}},
        opacity=0.6,
        customdata=table[["low", "high", "count"]],
        hovertemplate="%{customdata[0]:.3f} to %{customdata[1]:.3f}: %{customdata[2]} pairs"
        "<extra></extra>",
    )
    bell = _normal(x, *gauss).astype(np.float32)
    figure.add_scatter(
        name="Gaussian",
        x=x,
        y=bell,
        mode="lines",
        line={"color": VERMILLION, "dash": "dash", "width": 2.5},
    )
    inside = (kde[0] >= low) & (kde[0] <= high)
    figure.add_scatter(
        name="kernel density",
        x=kde[0][inside].astype(np.float32),
        y=kde[1][inside].astype(np.float32),
        mode="lines",
        line={"color": BLUE, "width": 2.5},
    )
    figure.update_xaxes(title="cosine similarity of two patches")
    figure.update_yaxes(title="density")
    figure.update_layout(bargap=0)
    return finish(figure, f"{title}, n = {np.size(values):,} pairs", 380, legend_below=True)


def describe_histogram(table: pd.DataFrame) -> str:
    """The histogram in one sentence, from `histogram_frame`."""
    top = table.iloc[int(table["count"].to_numpy().argmax())]
    width = (table["high"] - table["low"]).iloc[0]
    apart = float((table["gaussian"] - table["density"]).abs().sum() * width / 2)
    middle, pairs = (top["low"] + top["high"]) / 2, int(table["count"].sum())
    return f"Of {pairs:,} pairs most lie near {middle:.2f}; a Gaussian misplaces {apart:.0%}."


def entropy_by_block(table: pd.DataFrame) -> go.Figure:
    """Differential entropy of the similarities in every block, one line per kind of picture.

    Args:
        table: columns kind, block, gaussian, kernel, each also with _low and _high (means over
            images in nats, 95 % intervals), n (images) and pairs (of patches in each). Filled marks
            and lines are the Gaussian's, open marks the kernel estimate's.
    """
    figure = go.Figure()
    for number, (kind, rows) in enumerate(table.groupby("kind", sort=False)):
        look = mark(number)
        line = {"color": look["color"], "dash": _DASHES[number % 3], "width": 2}
        for column, symbol in (("gaussian", look["symbol"]), ("kernel", look["symbol"] + "-open")):
            filled = column == "gaussian"
            figure.add_scatter(
                name=f"{kind}, {'Gaussian' if filled else 'kernel'}",
                mode="lines+markers" if filled else "markers",
                x=rows["block"],
                y=rows[column],
                line=line,
                marker={"color": look["color"], "symbol": symbol, "size": 10},
                error_y=whiskers(_bounds(rows, column)),
                hovertemplate="block %{x}: %{y:.2f} nats<extra>%{fullData.name}</extra>",
            )
    figure.update_xaxes(title="block, from the input to the output", dtick=1)
    figure.update_yaxes(title="differential entropy H, nats")
    title = f"Entropy of patch similarity, mean of {int(table['n'].max())} images each"
    return finish(figure, title, 440, legend_below=True)


def _bounds(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Value, low and high, as `whiskers` takes them."""
    names = {column: "value", f"{column}_low": "low", f"{column}_high": "high"}
    return rows[list(names)].rename(columns=names)


def describe_entropy(table: pd.DataFrame) -> str:
    """The lines in one sentence."""
    means = table.groupby("kind", sort=False)["gaussian"].mean().sort_values(ascending=False)
    parts = [f"{kind} {value:.2f}" for kind, value in means.items()]
    return f"Mean entropy over blocks in nats, highest first: {', '.join(parts)}."


def entropy_over_steps(curves: pd.DataFrame) -> go.Figure:
    """Similarity entropy of the images while they are made, from a run's curves.

    The curves hold the objective L_fb = -H (MaskAQ Eq. 10), so the sign is turned.
    """
    line = entropy_frame(curves)
    figure = go.Figure()
    figure.add_scatter(
        x=line["step"],
        y=line["entropy"],
        mode="lines",
        line={"color": GREEN, "width": 2.5},
        hovertemplate="step %{x}: %{y:.3f} nats<extra></extra>",
    )
    figure.update_xaxes(title="step of synthesis")
    figure.update_yaxes(title="entropy H, nats")
    title = f"Similarity entropy over {len(line)} steps (higher is more varied)"
    return finish(figure, title, 320)


def entropy_frame(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns step and entropy (nats) of the steps that measured it; empty if none did."""
    if "entropy" not in curves:
        return pd.DataFrame({"step": [], "entropy": []})
    rows = curves[(curves["stage"] == "synthesis") & curves["entropy"].notna()]
    return pd.DataFrame({"step": rows["step"], "entropy": -rows["entropy"]}).reset_index(drop=True)


def describe_entropy_over_steps(table: pd.DataFrame) -> str:
    """The curve in one sentence, from `entropy_frame`."""
    if table.empty:
        return "This run did not measure the similarity entropy."
    first, last = table["entropy"].iloc[0], table["entropy"].iloc[-1]
    word = "rises" if last > first else "falls"
    return f"The entropy {word} from {first:.2f} to {last:.2f} nats in {len(table)} steps."
