"""The figures of `docs/method.md`, from stored results.

python -m benchmarks.docs_figures
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from maskaq.figures.maps import deletion
from maskaq.figures.results import by_bits
from maskaq.figures.style import PALETTE
from maskaq.precomputed import claims, showcase
from maskaq.regions.numpy_masks import mask_of
from maskaq.results import artifacts, store
from maskaq.ui.state.stored_runs import EXAMPLES

OUT = Path(__file__).parents[1] / "docs" / "figures"
RATIO = 0.3
MARKERS = "osD^v"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for name, draw in (
        ("region", region),
        ("synthesis", synthesis),
        ("bits", bits),
        ("deletion", deletion_curves),
    ):
        figure = draw()
        figure.savefig(OUT / f"{name}.png", dpi=120, bbox_inches="tight")
        plt.close(figure)
        print(OUT / f"{name}.png")


def bare(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])


def line(axes: Axes, rows: pd.DataFrame, across: str, number: int, label: str) -> None:
    """One line of the figure with its 95 % intervals; number: its colour and marker."""
    axes.errorbar(
        rows[across],
        rows["value"],
        yerr=np.abs(rows[["low", "high"]].to_numpy().T - rows["value"].to_numpy()),
        label=label,
        color=PALETTE[number],
        marker=MARKERS[number],
        capsize=3,
    )


def region() -> plt.Figure:
    """A scene, its attention and its informative region."""
    scene, rows = showcase.scene(3), showcase.cls_rows(3, "P")[..., 1:]
    alpha = rows.mean((0, 1))  # [N]
    side = round(len(alpha) ** 0.5)
    figure, (one, two, three) = plt.subplots(1, 3, figsize=(8, 2.9))
    picture = scene.image.transpose(1, 2, 0)  # [S,S,3]
    one.imshow(picture)
    bare(one, f"a scene: {scene.name}")
    two.imshow(alpha.reshape(side, side), cmap="cividis")
    bare(two, "attention of the class token,\nmean over blocks and heads")
    mask = mask_of(alpha, RATIO).reshape(side, side)
    shade = np.kron(mask, np.ones((8, 8)))[..., None]  # [S,S,1]
    three.imshow((picture * (0.25 + 0.75 * shade)).astype(np.uint8))
    bare(three, f"the informative region:\n{mask.sum()} of {mask.size} patches")
    return figure


def synthesis() -> plt.Figure:
    """Six images at several steps."""
    folder = EXAMPLES / "scenes_vit_W4A4_maskaq_reconstruct_0"
    frames, steps = artifacts.film(folder), store.read(folder).evidence.steps
    chosen = np.linspace(0, len(frames) - 1, 5).round().astype(int)
    figure, rows = plt.subplots(1, len(chosen), figsize=(9, 2.2))
    for axes, number in zip(rows, chosen, strict=True):
        axes.imshow(frames[number])
        bare(axes, f"step {steps[number]}")
    return figure


def bits() -> plt.Figure:
    """Top-1 by number format, one line per source."""
    table = by_bits.frame(
        [store.read(path).result for path in sorted(EXAMPLES.glob("scenes_vit_W*"))]
    )
    figure, axes = plt.subplots(figsize=(6.5, 3.4))
    q = table[table["source"] != "none"]
    for number, (source, rows) in enumerate(q.groupby("source", sort=False)):
        line(axes, rows, "bits", number, str(source))
    p = table[table["source"] == "none"].iloc[0]
    axes.axhline(p["value"], color="0.5", linestyle="--", label="P")
    axes.set_xlabel("number format of Q")
    axes.set_ylabel("top-1 accuracy, %")
    axes.set_title(f"n = {p['n']:,} scenes, 95 % intervals, one seed", fontsize=10)
    axes.legend(title="images from")
    return figure


def deletion_curves() -> plt.Figure:
    """P's accuracy while patches are replaced by the mean colour."""
    table = deletion.frame(claims.read("deletion"), "mean colour", "accuracy", "P")
    figure, axes = plt.subplots(figsize=(6.5, 3.4))
    for number, (order, words) in enumerate(deletion.ORDERS.items()):
        rows = table[table["order"] == order]
        line(axes, rows, "away", number, words)
    axes.set_xlabel("share of patches removed, %")
    axes.set_ylabel("top-1 accuracy of P, %")
    axes.set_title(f"n = {int(table['n'].max()):,} scenes, 95 % intervals", fontsize=10)
    axes.legend()
    return figure


if __name__ == "__main__":
    main()
