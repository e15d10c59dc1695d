"""The picture beside every view, with the controls that choose a patch.

A click on a patch, here or in any map, sets the controls, so that it shows in all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.figures.maps import patches, regions
from maskaq.models.menu import SHIPPED
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections.look_inside import attention_maps
from maskaq.ui.sections.look_inside.attention_maps import CLS, PATCH
from maskaq.ui.state import url
from maskaq.ui.widgets import show, spotlight

if TYPE_CHECKING:
    from maskaq.ui.sections.look_inside.attention_maps import Maps
    from maskaq.ui.state.selection import Choice

HEIGHT = 330  # pixels of the picture
_GARMENTS = (
    "**This model knows only ten garments**, such as shirts and bags. It calls every picture one "
    "of them."
)


def declare(choice: Choice, *drawn: str) -> None:
    """Check the URL parameters of the patch, and keep the values of controls that are not drawn."""
    count = choice.shape.patches
    fields = {
        "query": url.one_of((CLS, PATCH), CLS),
        "patch": url.whole(0, count - 1, count // 2),
    }
    url.declare(**fields)
    state = st.session_state
    if state.get("patch", 0) >= count:  # another model has more patches
        state["patch"] = count // 2
    url.keep(**{key: field for key, field in fields.items() if key not in drawn})


def query_controls(choice: Choice) -> int | None:
    """Draw the controls *Query* and *Patch*. Returns the patch, None for the class token."""
    declare(choice, "query", "patch")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left, spotlight.on("query"):
        kind = st.segmented_control(
            "Query",
            [CLS, PATCH],
            default=CLS,
            required=True,
            key="query",
            bind="query-params",
            help="Whose attention is shown: that of the class token CLS, from which the model "
            "reads its answer, or that of one patch. In a model without a class token, CLS stands "
            "for the mean over all patches.",
        )
    with right:
        number = _patch(choice, disabled=kind != PATCH)
    return number if kind == PATCH else None


def patch_control(choice: Choice) -> int:
    """Draw the control *Patch* alone. Returns the patch."""
    declare(choice, "patch")
    return _patch(choice)


def _patch(choice: Choice, *, disabled: bool = False) -> int:
    count = choice.shape.patches
    with spotlight.on("patch"):
        return int(
            st.number_input(
                "Patch",
                0,
                count - 1,
                count // 2,
                key="patch",
                bind="query-params",
                disabled=disabled,
                help="Counted from 0, row by row from the top left. A click on a patch in any map "
                "chooses it; a cross marks it.",
            )
        )


def choose(value: Any) -> None:
    """Make a clicked patch the chosen one; for `show.chart(pick=...)`."""
    if isinstance(value, int) and value >= 0:  # `declare` corrects one that is too large
        st.session_state["query"], st.session_state["patch"] = PATCH, value


def draw(maps: Maps, mask: NDArray[np.bool_], query: int | None, *, truth: bool = False) -> None:
    """The picture of the maps, bright, with its informative region and a cross on a patch.

    truth: whether to outline the true foreground, where it is known.
    """
    scene = maps.scene
    chart = regions.overlay(
        maps.image,
        mask,
        maps.grid,
        None if scene is None else scene.patches,
        maps.alpha,
        maps.name,
        outline_foreground=truth,
        dim=False,
        query=query,
        height=HEIGHT,
    )
    show.chart(chart, key="subject", pick=choose)
    if maps.said:
        _say(maps)


def plain(image: NDArray[np.uint8], grid: tuple[int, int], patch: int, title: str) -> None:
    """An image without a known informative region, uint8 [3,S,S], with a cross on a patch."""
    show.chart(patches.picture(image, grid, patch, title, HEIGHT), key="subject", pick=choose)


def of_proof(choice: Choice) -> None:
    """The stored scene beside a test, with its informative region and its object."""
    declare(choice)
    patch = st.session_state["patch"] if st.session_state["query"] == PATCH else None
    maps = attention_maps.stored(choice, None)
    draw(maps, mask_of(maps.alpha, choice.mask_ratio), patch, truth=True)


def waiting(choice: Choice) -> None:
    """The visitor's own picture, until the model has seen it."""
    if choice.own.picture is not None:
        st.image(choice.own.picture.pixels, width="stretch", alt="Your picture, as you sent it.")


def warn(choice: Choice) -> None:
    """Warn that a bundled model knows garments only, if the visitor's picture is shown."""
    bundled = choice.model in SHIPPED and not choice.own.weights
    if choice.own.picture is not None and bundled:
        st.warning(_GARMENTS, icon=":material/checkroom:")


def _say(maps: Maps) -> None:
    """What both models answer for the picture."""
    name, probability = maps.said["p"]
    text = f"Full precision says **{name}** ({100 * probability:.0f} %)"
    if "q" in maps.said:
        name, probability = maps.said["q"]
        text += f", quantized to {maps.bits} **{name}** ({100 * probability:.0f} %)"
    st.markdown(f"{text}.")
