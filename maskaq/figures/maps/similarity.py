"""The similarity of the patches' attention: matrix, distribution and entropy."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from maskaq.figures.chart import Chart
from maskaq.figures.maps import patches
from maskaq.figures.pictures import bare, trace
from maskaq.figures.style import (
    BLUE,
    GREEN,
    GREY,
    SEQUENTIAL,
    VERMILLION,
    error_bars,
    finish,
    marker_style,
    targets,
)

Values = NDArray[np.floating]
_BINS = 50
_DASHES = ("solid", "dash", "dot")
_APART = 0.08  # blocks between the markers of two kinds, which would hide each other


def frame(similarity: Values) -> pd.DataFrame:
    """Columns patch, other and similarity, one row per entry of a matrix [N,N]."""
    patch, other = np.indices(similarity.shape)
    flat = similarity.astype(np.float32).ravel()
    return pd.DataFrame({"patch": patch.ravel(), "other": other.ravel(), "similarity": flat})


def matrix(similarity: Values, subject: str, patch: int | None = None) -> Chart:
    """Cosine similarities [N,N] as a heat map, its colours from the smallest one to 1.

    A click on a row returns its patch.

    Args:
        subject: what the similarities are from, for title and alt text.
        patch: the patch whose row gets a frame.
    """
    count = len(similarity)
    figure = go.Figure(
        go.Heatmap(
            z=similarity.astype(np.float32),
            colorscale=SEQUENTIAL,
            zmin=_floor(similarity),
            zmax=1,
            colorbar=_BAR,
            hovertemplate="patches %{y} and %{x}: %{z:.3f}<extra></extra>",
        )
    )
    if patch is not None:
        ends = {"x0": -0.5, "x1": count - 0.5, "y0": patch - 0.5, "y1": patch + 0.5}
        for colour, width in (("white", 4), (VERMILLION, 2)):
            figure.add_shape(type="rect", line={"color": colour, "width": width}, **ends)
    # A click anywhere in a row chooses its patch, so a few points a row are enough.
    columns = np.arange(0, count, max(1, count // 12))
    rows = np.repeat(np.arange(count), len(columns))
    if rows.size <= _CLICKABLE:
        across = np.tile(columns, count)
        words = [
            f"patches {row} and {column}: {similarity[row, column]:.3f}"
            for row, column in zip(rows, across, strict=True)
        ]
        targets(figure, across.tolist(), rows.tolist(), rows.tolist(), words, size=6)
    figure.update_xaxes(title="patch, row by row", constrain="domain")
    figure.update_yaxes(
        title="patch, row by row", autorange="reversed", scaleanchor="x", constrain="domain"
    )
    finish(figure, f"{subject}: all pairs of patches<br>{count} patches", 400)
    table = frame(similarity)
    return Chart(figure, table, f"{subject}: {_describe(table)}", "similarity")


_BAR = {"title": {"text": "cosine similarity", "side": "right"}, "thickness": 12}
_CLICKABLE = 3_000  # points


def _floor(values: Values) -> float:
    """The lower end of a colour scale, a multiple of 0.05."""
    return min(0.95, float(np.floor(values.min() * 20 + 1e-6) / 20))


def row_map(
    image: NDArray[np.uint8], row: Values, grid: tuple[int, int], patch: int, subject: str
) -> Chart:
    """How similar every patch [N] is to one patch, on top of the image uint8 [3,S,S].

    A click on a patch returns its number.
    """
    side = image.shape[1] / grid[0]
    figure = go.Figure(trace(image))
    figure.add_heatmap(
        z=row.reshape(grid).astype(np.float32),
        x0=(side - 1) / 2,
        dx=side,
        y0=(side - 1) / 2,
        dy=side,
        colorscale=SEQUENTIAL,
        zmin=_floor(row),
        zmax=1,
        opacity=0.75,
        colorbar=_BAR,
        hoverinfo="skip",
    )
    words = [
        f"{name}<br>similarity {value:.3f}"
        for name, value in zip(patches.names(grid), row, strict=True)
    ]
    patches.clickable(figure, grid, words, side=side)
    figure.update_layout(shapes=patches.cross(patch, grid, side))
    bare(figure)
    finish(figure, f"{subject}: patches similar to patch {patch}<br>{row.size} patches", 400)
    others = np.delete(np.arange(row.size), patch)
    table = pd.DataFrame({"patch": np.arange(row.size), "similarity": row.astype(np.float32)})
    best, least = others[row[others].argmax()], others[row[others].argmin()]
    alt = (
        f"{subject}: of all patches, {best} is the most similar to patch {patch} "
        f"({row[best]:.2f}) and {least} the least ({row[least]:.2f})."
    )
    return Chart(figure, table, alt, "similar-patches")


def _describe(table: pd.DataFrame) -> str:
    pairs = table[table["patch"] != table["other"]]["similarity"]
    return (
        f"two different patches have a mean similarity of {pairs.mean():.2f}, from "
        f"{pairs.min():.2f} to {pairs.max():.2f}, standard deviation {pairs.std(ddof=0):.3f}."
    )


def histogram_frame(
    values: Values, gauss: tuple[float, float], kde: tuple[Values, Values] | None = None
) -> pd.DataFrame:
    """Columns low, high, count, density, gaussian and, if given, kernel; one row per bin.

    The last two are the densities of the normal distribution (mean, std) and of the kernel
    estimate (x, y) at the middle of the bin.
    """
    flat = np.asarray(values, np.float32).ravel()
    margin = max(0.01, 0.05 * float(np.ptp(flat)))
    counts, edges = np.histogram(flat, _BINS, (flat.min() - margin, flat.max() + margin))
    middle = (edges[:-1] + edges[1:]) / 2
    table = pd.DataFrame(
        {
            "low": edges[:-1],
            "high": edges[1:],
            "count": counts,
            "density": counts / (flat.size * np.diff(edges)),
            "gaussian": _normal(middle, *gauss),
        }
    )
    return table if kde is None else table.assign(kernel=np.interp(middle, *kde, left=0, right=0))


def _normal(x: Values, mean: float, std: float) -> Values:
    std = max(std, 1e-4)  # a curve of no width would not be visible
    density: Values = np.exp(-0.5 * ((x - mean) / std) ** 2) / (std * np.sqrt(2 * np.pi))
    return density


def histogram(
    values: Values,
    gauss: tuple[float, float],
    kde: tuple[Values, Values] | None,
    subject: str,
) -> Chart:
    """Histogram of similarities [M], with a Gaussian (mean, std) and a kernel density (x, y).

    kde: None for a figure without. subject: what the similarities are from, for title and alt text.
    """
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
    if kde is not None:
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
    title = f"{subject}: distribution of similarities<br>n = {np.size(values):,} pairs"
    finish(figure, title, 380, legend_below=True)
    return Chart(figure, table, f"{subject}: {_describe_histogram(table)}", "spread")


def _describe_histogram(table: pd.DataFrame) -> str:
    top = table.iloc[int(table["count"].to_numpy().argmax())]
    width = (table["high"] - table["low"]).iloc[0]
    distance = float((table["gaussian"] - table["density"]).abs().sum() * width / 2)
    middle, pairs = (top["low"] + top["high"]) / 2, int(table["count"].sum())
    return f"most of {pairs:,} pairs are near {middle:.2f}; a Gaussian misplaces {distance:.0%}."


def entropy_by_block(table: pd.DataFrame) -> Chart:
    """Differential entropy of the similarities in every block, one line per kind of image.

    Filled markers and lines show the Gaussian, open markers the kernel density.

    table: columns kind, block, gaussian, kernel, n (images) and pairs (of patches in each), with
        gaussian_low, gaussian_high, kernel_low and kernel_high: means over images in nats, and
        their 95 % intervals.
    """
    figure = go.Figure()
    for number, (kind, rows) in enumerate(table.groupby("kind", sort=False)):
        beside = rows["block"] + _APART * (number - 1)
        colour, mark = marker_style(number).values()
        line = {"color": colour, "dash": _DASHES[number % 3], "width": 2}
        for column, symbol in (("gaussian", mark), ("kernel", f"{mark}-open")):
            filled = column == "gaussian"
            bounds = {column: "value", f"{column}_low": "low", f"{column}_high": "high"}
            figure.add_scatter(
                name=f"{kind}, {'Gaussian' if filled else 'kernel'}",
                mode="lines+markers" if filled else "markers",
                x=beside,
                y=rows[column],
                customdata=rows["block"],
                line=line,
                marker={"color": colour, "symbol": symbol, "size": 10},
                error_y=error_bars(rows.rename(columns=bounds)),
                hovertemplate="block %{customdata}: %{y:.2f} nats<extra>%{fullData.name}</extra>",
            )
    figure.update_xaxes(title="block, from input to output", dtick=1)
    figure.update_yaxes(title="differential entropy H, nats")
    title = f"Entropy of patch similarity<br>mean of {int(table['n'].max())} images each"
    finish(figure, title, 440, legend_below=True)
    means = table.groupby("kind", sort=False)["gaussian"].mean().sort_values(ascending=False)
    parts = [f"{kind} {value:.2f}" for kind, value in means.items()]
    alt = f"Mean entropy over blocks in nats, highest first: {', '.join(parts)}."
    return Chart(figure, table, alt, "entropy-by-block")


def entropy_over_steps(curves: pd.DataFrame) -> Chart:
    """Similarity entropy of the images during synthesis, from a run's curves.

    The curves hold the objective L_fb = -H (MaskAQ Eq. 10), so the sign is flipped.
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
    title = f"Similarity entropy over {len(line)} steps<br>higher is more varied"
    finish(figure, title, 320)
    return Chart(figure, line, _describe_entropy_over_steps(line), "entropy-over-steps")


def entropy_frame(curves: pd.DataFrame) -> pd.DataFrame:
    """Columns step and entropy (nats) of the steps that measured it; empty if there are none."""
    if "entropy" not in curves:
        return pd.DataFrame({"step": [], "entropy": []})
    rows = curves[(curves["stage"] == "synthesis") & curves["entropy"].notna()]
    return pd.DataFrame({"step": rows["step"], "entropy": -rows["entropy"]}).reset_index(drop=True)


def _describe_entropy_over_steps(table: pd.DataFrame) -> str:
    if table.empty:
        return "This run did not measure the similarity entropy."
    first, last = table["entropy"].iloc[0], table["entropy"].iloc[-1]
    word = "rises" if last > first else "falls"
    return f"The entropy {word} from {first:.2f} to {last:.2f} nats in {len(table)} steps."
