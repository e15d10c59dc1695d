"""The tab Similarity: which patches attend to the same places, and how widely this varies."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.figures.maps import similarity
from maskaq.models.menu import BUNDLED, shape_of
from maskaq.precomputed import showcase
from maskaq.precomputed.showcase import Similarity
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections.look_inside import attention_maps, picture, verdicts
from maskaq.ui.sections.look_inside.questions import is_bundled, is_scene, question, subject, where
from maskaq.ui.state import stored_runs, url
from maskaq.ui.widgets import offer, query, show, spotlight, tabs

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

KINDS = {"noise": "Noise", "scene": "Scene", "synthetic": "Synthetic"}
DEPTH = shape_of(BUNDLED).depth


@dataclass(frozen=True, eq=False)
class Subject:
    """An image, uint8 [3,S,S], and the similarity of its patches in P.

    where: the blocks in words. mask: its informative patches [N], where they are known.
    """

    name: str
    image: NDArray[np.uint8]
    grid: tuple[int, int]
    pairs: Similarity
    where: str
    mask: NDArray[np.bool_] | None = None


def tab(choice: Choice) -> None:
    """Draw the tab."""
    url.declare(kind=url.one_of(KINDS, "scene"))
    name = tabs.one_of(VIEWS, "What to look at", key="pairs")
    VIEWS[name](choice)
    st.caption(
        "All numbers are those of **P**, the full-precision model. Two patches are similar if they "
        "attend to the same places. **Entropy** measures in one number how widely the similarities "
        "vary, in nats (units of the natural logarithm). It is negative because they vary by less "
        "than 0.24; closer to 0 is wider. MaskAQ makes images of high entropy."
    )
    show.details(
        "patch similarity",
        "similarity entropy",
        "differential entropy",
        "kernel density",
        "entropy",
    )


def one(choice: Choice) -> None:
    """One image: the patches that are similar to the chosen one, and all pairs."""
    left, right = st.columns([4, 7], gap="medium")
    with left:
        place = st.container()
        kind = "scene"
        if is_scene(choice):
            with spotlight.on("kind"):
                kind = st.segmented_control(
                    "Which of the three",
                    list(KINDS),
                    default="scene",
                    required=True,
                    key="kind",
                    bind="query-params",
                    help="Noise: every pixel is random. Scene: from the evaluation set. Synthetic: "
                    "made by MaskAQ.",
                )
        patch = picture.patch_control(choice)
        picture.warn(choice)
    with right:
        found = _subject(choice, kind)
    if found is None:
        with place:
            picture.waiting(choice)
        return
    with place:
        if found.mask is None:
            picture.plain(found.image, found.grid, patch, found.name)
        else:
            picture.draw(attention_maps.stored(choice, patch), found.mask, patch)
    pairs = found.pairs
    with right:
        inside = _inside(pairs.matrix, found.mask)
        show.verdict(verdicts.one_spread(found.name, pairs.std, pairs.gaussian, inside))
        show.chart(
            similarity.row_map(found.image, pairs.matrix[patch], found.grid, patch, found.name),
            key="row",
            note=f"Brighter: more similar to the patch with the cross, {found.where}. Click "
            "another patch.",
            pick=picture.choose,
        )
    left, right = st.columns(2, gap="medium")
    with left:
        show.chart(
            similarity.matrix(pairs.matrix, found.name, patch),
            key="matrix",
            note="The framed row is the map above. Click a row to choose its patch.",
            pick=picture.choose,
        )
    with right:
        kde = (pairs.kde_x, pairs.kde_y) if len(pairs.kde_x) else None
        show.chart(
            similarity.histogram(pairs.values, (pairs.mean, pairs.std), kde, found.name),
            key="spread",
            note="MaskAQ uses the Gaussian, which has the same mean and variance.",
        )


def _subject(choice: Choice, kind: str) -> Subject | None:
    if not is_scene(choice):
        place = st.empty()
        place.info(f"Similarities are stored only for {BUNDLED} on its eight scenes.")
        arguments = question(choice)
        plain = {name: arguments[name] for name in ("model", "weights", "picture")}
        answer = query.answer("similarity", subject(choice), plain)
        if answer is None:
            return None
        place.empty()
        image, blocks = answer["image"], [Similarity(**block) for block in answer["blocks"]]
        pairs = _mean(blocks) if choice.block is None else blocks[choice.block]
        return Subject("Your image", image, choice.shape.grid, pairs, where(choice))
    number = choice.image
    if choice.block is None:
        pairs = _mean([showcase.similarity(kind, block, number) for block in range(DEPTH)])
    else:
        pairs = showcase.similarity(kind, choice.block, number)
    mask = mask_of(attention_maps.alpha(number), choice.mask_ratio) if kind == "scene" else None
    image = showcase.picture(kind, number)
    name = f"{KINDS[kind]} {number}"
    return Subject(name, image, attention_maps.GRID, pairs, where(choice), mask)


def _mean(blocks: list[Similarity]) -> Similarity:
    """The similarities averaged over blocks; without a kernel density."""
    every = np.stack([block.matrix for block in blocks])  # [L,N,N]
    counts = np.isfinite(every).sum(0)  # patches of different windows are not compared
    sums = np.nansum(every, 0)
    matrix = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan).astype(np.float32)  # [N,N]
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    values = pairs[np.isfinite(pairs)]
    std = float(values.std())
    entropy = 0.5 * math.log(2 * math.pi * math.e * (std**2 + 1e-8))
    none = np.zeros(0, np.float32)
    return Similarity(matrix, values, float(values.mean()), std, none, none, entropy, math.nan)


def _inside(
    matrix: NDArray[np.float32], mask: NDArray[np.bool_] | None
) -> tuple[float, float] | None:
    """Mean similarity of two informative patches, and of an informative one and another."""
    if mask is None:
        return None
    within = matrix[np.ix_(mask, mask)]  # [M,M]
    across = matrix[np.ix_(mask, ~mask)]  # [M,N-M]
    if len(within) < 2 or not across.size:
        return None
    return float(within[np.triu_indices(len(within), 1)].mean()), float(across.mean())


def three(choice: Choice) -> None:
    """Noise, scenes and synthetic images compared, block by block."""
    if not is_bundled(choice):
        offer.model("The comparison is stored for scenes_vit only.", "three")
        return
    table = showcase.entropies()
    show.verdict(verdicts.spread(table, choice.block))
    show.chart(
        similarity.entropy_by_block(table),
        key="blocks",
        note=f"Means over images, {table['pairs'].max():,} pairs of patches in each, with 95 % "
        "intervals. Filled: a Gaussian of equal variance. Open: the kernel density estimate, which "
        "assumes no distribution.",
    )


def during(choice: Choice) -> None:
    """The entropy of the images while MaskAQ makes them."""
    runs = {
        run.result.spec.quantization.name: run
        for run in stored_runs.presets(choice.model)
        if run.result.spec.synthesis.source == "maskaq"
        if not similarity.entropy_frame(run.curves).empty
    }
    run = runs.get(choice.bits)
    if choice.own.weights or not runs:
        st.info("No stored run of this model has measured the entropy. Start one in Make one.")
        return
    if run is None:
        offer.bits(f"No run at {choice.bits} that measured the entropy is stored.", runs, "during")
        return
    chart = similarity.entropy_over_steps(run.curves)
    count = run.result.samples["count"]
    show.verdict(f"**{chart.alt.rstrip('.')}**, mean of {count:g} images and all blocks.")
    first, last = run.result.spec.synthesis.mask_ratio
    show.chart(
        chart,
        key="steps",
        note=f"{show.where_from(run)} Source {run.result.spec.synthesis.source}, {choice.bits}, "
        f"mask ratio from {first:.0%} to {last:.0%} during the synthesis.",
    )


VIEWS: Mapping[str, Callable[[Choice], None]] = {
    "One image": one,
    "Noise, scenes, synthetic": three,
    "During synthesis": during,
}
