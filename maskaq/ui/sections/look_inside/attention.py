"""The tab Attention: where the model looks, whether it finds the object, and what changes in Q."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.figures.maps import attention, regions
from maskaq.regions.numpy_masks import mask_of, overlap
from maskaq.ui.sections.look_inside import attention_maps, measures, picture, verdicts
from maskaq.ui.sections.look_inside.attention_maps import Maps
from maskaq.ui.sections.look_inside.questions import where
from maskaq.ui.widgets import show, tabs

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

Mask = NDArray[np.bool_]
_FEW, _MAP = 180, 130  # pixels of a map in one row and in more, to fit the first screen


def tab(choice: Choice) -> None:
    """Draw the tab."""
    name = tabs.one_of(VIEWS, "What to look at", key="about")
    left, right = st.columns([4, 7], gap="medium")
    with left:
        place = st.container()
        query = picture.query_controls(choice)
        picture.warn(choice)
    with right:
        maps = attention_maps.of(choice, query)
    if maps is None:
        with place:
            picture.waiting(choice)
    else:
        mask = mask_of(maps.alpha, choice.mask_ratio)
        with place:
            picture.draw(maps, mask, query, truth=name == FINDS)
        with right:
            VIEWS[name](choice, maps, mask, query)
    st.caption(
        "**P** is the full-precision model, **Q** the quantized one. The informative patches are "
        "those to which P's class token CLS attends most, or all patches together in a model "
        "without one; *Mask ratio* sets their number."
    )
    show.details("attention", "informative region", "overlap", "align")


def looks(choice: Choice, maps: Maps, mask: Mask, query: int | None) -> None:
    """The attention of every head."""
    several = None if query is not None or maps.live else measures.mean_share(choice)
    show.verdict(verdicts.looks(maps.who(query), measures.share(maps, choice), mask, several))
    show.chart(
        attention.heads(
            maps.heads(choice.block),
            maps.grid,
            mask,
            choice.head,
            f"P: attention of {maps.who(query)}, {where(choice)}",
            query,
            _FEW if len(maps.p[0]) <= 4 else _MAP,
        ),
        key="heads",
        note="Brighter means more attention; the top 1 % share a colour. Click a patch to see whom "
        "it attends to. Heads with the same number in different blocks are unrelated.",
        pick=picture.choose,
    )


def finds(choice: Choice, maps: Maps, mask: Mask, query: int | None) -> None:
    """The informative region against the true foreground."""
    if maps.scene is None:
        st.info("Where the object is in this picture is not known, so this cannot be checked.")
        return
    here = overlap(mask, maps.scene.patches)
    overlaps = measures.overlaps()
    show.verdict(verdicts.finds(here, overlaps, choice.mask_ratio))
    show.chart(
        regions.overlap(measures.overlap_table(here, choice.mask_ratio)),
        key="overlap",
        note="Precision: share of the mask on the object. Recall: share of the object in the mask. "
        "IoU: their intersection over their union. Random masks show chance.",
    )
    show.verdict(verdicts.best_ratio(overlaps))
    show.chart(
        regions.ratios(overlaps, choice.mask_ratio),
        key="ratios",
        note="Click a point to set the mask ratio.",
        pick=_set_ratio,
    )


def changes(choice: Choice, maps: Maps, mask: Mask, query: int | None) -> None:
    """P's and Q's attention side by side, and their distance."""
    with_q = attention_maps.with_q(choice, query, maps)
    pair = None if with_q is None else with_q.pair(choice.block, choice.head)
    if with_q is None or pair is None:
        looks(choice, maps, mask, query)  # P's part does not depend on the bits
        return
    distances = measures.distances(with_q, choice, query)
    show.verdict(verdicts.changes(distances, choice.bits))
    title = f"Attention of {maps.who(query)} in P and in Q {with_q.bits}"
    head = "mean over heads" if choice.head is None else f"head {choice.head}"
    show.chart(
        attention.difference(
            *pair, maps.grid, mask, f"{title}<br>{where(choice)}, {head}", query
        ).with_suffix(with_q.bits),
        key="difference",
        note=f"{with_q.origin} Purple: P attends more; orange: Q does.",
        pick=picture.choose,
    )
    show.chart(
        attention.inside_outside(distances).with_suffix(with_q.bits),
        key="distance",
        note="MaskAQ trains Q to follow P inside the mask.",
    )


def _set_ratio(value: Any) -> None:
    """Take over the mask ratio of a clicked point, if it is one of the control's."""
    ratios = measures.overlaps()["ratio"]
    if isinstance(value, float) and np.isclose(ratios, value).any():
        st.session_state["mask_ratio"] = round(value, 2)


LOOKS, FINDS, CHANGES = "Where it looks", "Does it find the object", "What changes in Q"
VIEWS: Mapping[str, Callable[[Choice, Maps, Mask, int | None], None]] = {
    LOOKS: looks,
    FINDS: finds,
    CHANGES: changes,
}
