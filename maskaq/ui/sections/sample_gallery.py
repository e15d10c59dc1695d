"""Pictures of a run side by side: its samples, and the images on which P and Q disagree."""

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

_SIDE = 120  # pixels of a picture on the page
_FEW = 12  # pictures, unless all are asked for
_SAMPLE_COLUMNS = {
    "image": st.column_config.NumberColumn("Image"),
    "label": st.column_config.TextColumn("Made for"),
    "P": st.column_config.TextColumn("P sees"),
    "P_certainty": st.column_config.NumberColumn("P's certainty, %", format="%.0f"),
    "Q": st.column_config.TextColumn("Q sees"),
    "Q_certainty": st.column_config.NumberColumn("Q's certainty, %", format="%.0f"),
    "recognised": st.column_config.CheckboxColumn("P recognises it"),
}


def samples(run: Stored, ratio: float) -> None:
    """The images that were made, with what P and Q see in each. ratio: of the mask, 0..1."""
    st.markdown(run_results.seen_in(run.result))
    seen = run_results.evidence(run)
    if seen is None or not run.samples:
        st.info("This run was stored without its single images. Run it again to have them.")
        run_results.images(run)
        return
    images, total = run.samples["images"], len(run.samples["images"])
    left, right = st.columns(2)
    whole = left.toggle(f"Show all {total} images", key="gallery_all", disabled=total <= _FEW)
    dim = right.toggle(
        "Show only where P looks",
        key="gallery_dim",
        disabled=run.result.spec.model not in shapes(),
        help="Darkens all patches but the informative ones, at the mask ratio in the sidebar.",
    )
    if dim:
        grid = shapes()[run.result.spec.model].grid
        masks = np.stack([mask_of(row.astype(np.float32), ratio) for row in seen.alpha])  # [N,P]
        images = synthesis.dimmed(images, masks, grid)
    p, q = zip(seen.seen, seen.certainty, strict=True)
    table = synthesis.gallery_frame(run.samples["labels"], p, q, seen.classes)
    count = total if whole else min(_FEW, total)
    words = [
        f"**{row.label}**  \nP: {row.P} {row.P_certainty:.0f} %  \nQ: {row.Q} "
        f"{row.Q_certainty:.0f} %"
        for row in table.head(count).itertuples()
    ]
    tiles(images[:count], words, synthesis.captions(table)[:count])
    st.caption(
        f"Showing {count} of {total}. Below each image: the class it was made for, then what P and "
        f"Q see in it, and how sure they are. {synthesis.describe_gallery(table)}"
    )
    with st.expander("What P and Q see, as a table", icon=":material/table:"):
        show.frame(
            table,
            alt=synthesis.describe_gallery(table),
            key="gallery_rows",
            name=f"gallery-{run_results.slug(run.result)}",
            columns=_SAMPLE_COLUMNS,
        )


def apart(run: Stored) -> None:
    """Where P and Q name different classes: how often, on which images, in which classes."""
    seen = run_results.evidence(run)
    if seen is None:
        st.info("This run was stored without its answers to single images. Run it again.")
        return
    p, q = seen.answers  # [n] each
    table = disagreements.frame(seen.labels, p, q, seen.classes)
    counts, name = disagreements.counts(table), run_results.slug(run.result)
    show.figure(
        disagreements.outcomes(counts),
        counts,
        alt=disagreements.describe(counts),
        key="outcomes",
        name=f"outcomes-{name}",
    )
    classes = disagreements.by_class(table)
    every = "all classes"
    picked = st.selectbox(
        "True class",
        [every, *classes["true"]],
        key="apart_class",
        help="The class with the most disagreement comes first.",
    )
    only = None if picked == every else picked
    rows, said = disagreements.shown(table, only, limit=len(table))
    _kept(seen, only, len(rows))
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown(f"**Images on which P and Q disagree**, {said}")
        show.frame(rows, alt=f"{len(rows)} images.", key="apart", name=f"disagreements-{name}")
    with right:
        st.markdown("**Share of disagreement in each class**, in %, with 95 % intervals")
        show.frame(
            classes,
            alt="Share of images of each class on which P and Q disagree, most first.",
            key="classes",
            name=f"disagreements-by-class-{name}",
            columns={
                "true": "True class",
                **{
                    key: st.column_config.NumberColumn(word, format="%.1f")
                    for key, word in {"value": "Share, %", "low": "from", "high": "to"}.items()
                },
            },
        )


def _kept(seen: Evidence, picked: str | None, count: int) -> None:
    """The stored images of disagreement of one true class, or of all."""
    true = np.asarray(seen.classes, object)[seen.labels[seen.apart_index]]
    kept = [place for place, name in enumerate(true) if picked in (None, name)]
    answers = [
        tuple(seen.classes[answer[seen.apart_index[place]]] for answer in seen.answers)
        for place in kept
    ]
    told = [(true[place], p, q) for place, (p, q) in zip(kept, answers, strict=True)]
    words = [f"**{label}**  \nP: {p}  \nQ: {q}" for label, p, q in told]
    tiles(seen.apart[kept], words, [f"{label}: P {p}, Q {q}" for label, p, q in told])
    st.caption(
        f"Showing {len(kept)} of {count:,} images: of a run, the pictures of the first {len(true)} "
        "disagreements are kept."
    )


def tiles(pictures: NDArray[np.uint8], words: list[str], alts: list[str]) -> None:
    """Pictures uint8 [n,3,S,S] side by side; words: Markdown below each, alts: the same plain."""
    if not len(pictures):
        return
    factor = max(1, -(-2 * _SIDE // pictures.shape[-1]))  # sharp squares, also on fine screens
    large = pictures.repeat(factor, 2).repeat(factor, 3).transpose(0, 2, 3, 1)  # [n,fS,fS,3]
    with st.container(horizontal=True, gap="small"):
        for picture, caption, alt in zip(large, words, alts, strict=True):
            st.image(picture, caption=caption, width=_SIDE, alt=alt)
