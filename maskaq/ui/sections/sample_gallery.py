"""Images of a run: its samples, and the evaluation images on which P and Q disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.figures import synthesis
from maskaq.figures.results import disagreements
from maskaq.models.menu import shapes
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from maskaq.results.artifacts import Evidence
    from maskaq.results.store import Stored

_SIDE = 120  # pixels of an image on the page
_FEW = 6  # images shown at first
_CLASS = "apart_class"  # key of the selectbox


def samples(run: Stored, ratio: float) -> None:
    """The samples of a run with the predictions of P and Q. ratio: the mask ratio, 0..1."""
    evidence = run_results.evidence(run)
    if evidence is None or not run.samples:
        st.info("This run was stored without its images. Run it again to store them.")
        run_results.images(run)
        return
    images, total = run.samples["images"], len(run.samples["images"])
    left, right = st.columns(2)
    show_all = left.toggle(f"Show all {total} images", key="gallery_all", disabled=total <= _FEW)
    dim = right.toggle(
        "Show only where P looks",
        key="gallery_dim",
        disabled=run.result.spec.model not in shapes(),
        help="Darkens all patches except the informative ones, at the mask ratio in the sidebar.",
    )
    if dim:
        grid = shapes()[run.result.spec.model].grid
        alpha = evidence.alpha.astype(np.float32)  # [N,patches]
        masks = np.stack([mask_of(row, ratio) for row in alpha])  # [N,patches]
        images = synthesis.dimmed(images, masks, grid)
    count = total if show_all else min(_FEW, total)
    if run.result.cosine is not None:  # P has no classes
        captions = [f"cosine {value:.3f}" for value in evidence.certainty[1, :count]]
        tiles(images[:count], captions, captions)
        st.caption(f"Showing {count} of {total}, with the cosine of the features of P and Q.")
        return
    p, q = zip(evidence.seen, evidence.certainty, strict=True)
    table = synthesis.gallery_frame(run.samples["labels"], p, q, evidence.classes)
    summary = synthesis.describe_gallery(table)
    captions = [
        f"**{row.label}**  \nP: {row.P} {row.P_certainty:.0f} %  \nQ: {row.Q} "
        f"{row.Q_certainty:.0f} %"
        for row in table.head(count).itertuples()
    ]
    tiles(images[:count], captions, synthesis.captions(table)[:count])
    st.caption(
        f"Showing {count} of {total}, with the intended class and what P and Q predict. {summary}"
    )


def disagreeing(run: Stored) -> None:
    """Where P and Q predict different classes: how often, in which classes, on which images."""
    evidence = run_results.evidence(run)
    if evidence is None:
        st.info("This run was stored without its predictions. Run it again to store them.")
        return
    p, q = evidence.answers  # [n] each
    table = disagreements.frame(evidence.labels, p, q, evidence.classes)
    outcomes, shares = disagreements.outcomes(table), disagreements.by_class(table)
    name = run_results.slug(run.result)
    show.verdict(outcomes.alt)
    left, right = st.columns(2, gap="large")
    with left:
        show.chart(outcomes.with_suffix(name), key="outcomes")
    picked = st.session_state.get(_CLASS)
    with right:
        show.chart(
            disagreements.classes(shares, picked).with_suffix(name),
            key="classes",
            note="With 95 % intervals. Click a class to see its images.",
            pick=show.into(_CLASS, list(shares["true"])),
        )
    every = "all classes"
    picked = st.selectbox("True class", [every, *shares["true"]], key=_CLASS)
    only = None if picked == every else picked
    rows = table[~table["agree"].astype(bool)]
    _stored(evidence, only, len(rows if only is None else rows[rows["true"] == only]))


def _stored(evidence: Evidence, picked: str | None, count: int) -> None:
    """The stored images on which P and Q disagree, of one true class or of all."""
    classes, index = np.asarray(evidence.classes, object), evidence.apart_index
    true, (p, q) = classes[evidence.labels[index]], classes[evidence.answers[:, index]]  # [k] each
    kept = [place for place, name in enumerate(true) if picked in (None, name)]
    captions = [f"**{true[k]}**  \nP: {p[k]}  \nQ: {q[k]}" for k in kept]
    tiles(evidence.apart[kept], captions, [f"{true[k]}: P {p[k]}, Q {q[k]}" for k in kept])
    st.caption(
        f"Showing {len(kept)} of {count:,} images. A run stores the images of its first "
        f"{len(true)} disagreements."
    )


def tiles(images: NDArray[np.uint8], captions: list[str], alts: list[str]) -> None:
    """Images uint8 [n,3,S,S] side by side, with Markdown captions and plain alt texts."""
    if not len(images):
        return
    factor = max(1, -(-2 * _SIDE // images.shape[-1]))  # sharp pixels, also on high-DPI screens
    large = images.repeat(factor, 2).repeat(factor, 3).transpose(0, 2, 3, 1)  # [n,fS,fS,3]
    with st.container(horizontal=True, gap="small"):
        for image, caption, alt in zip(large, captions, alts, strict=True):
            st.image(image, caption=caption, width=_SIDE, alt=alt)
