"""The attention and similarity that the page shows: stored for two worlds, else from a worker.

Nothing is ever shown for other bit widths than the chosen ones: where no Q is stored for them, the
maps have P's part only, and `with_q` offers to compute Q's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from maskaq.models.menu import BUNDLED, shape_of
from maskaq.precomputed import photographs, showcase, worlds
from maskaq.ui.sections.look_inside.questions import (
    is_photograph,
    is_scene,
    question,
    stored_title,
    subject,
    title,
)
from maskaq.ui.state.selection import MEAN
from maskaq.ui.widgets import offer
from maskaq.ui.widgets import query as ask

if TYPE_CHECKING:
    from maskaq.precomputed.showcase import Scene
    from maskaq.ui.state.selection import Choice

Rows = NDArray[np.float32]
GRID = shape_of(BUNDLED).grid  # patches of a scene
CLS, PATCH = "CLS", "patch"  # whose attention is shown, as in the URL


@dataclass(frozen=True, eq=False)
class Maps:
    """The attention from one query to every patch of an image, in P and Q.

    Attributes:
        image: as the model sees it, uint8 [3,S,S].
        grid: rows and columns of patches.
        p: attention in P [L,H,N].
        q: attention in Q [L,H,N], or its mean over heads [L,1,N]; None if there is none.
        bits: the bit widths of Q.
        alpha: attention from P's class token, mean over blocks and heads [N].
        name: of the picture, for its title.
        scene: the stored scene; None for another image.
        live: whether a worker computed the maps just now.
        said: what P, and Q if there is one, answer: by `p` and `q`, a class and its probability;
            empty for scenes.
        class_token: whether the model has one.
    """

    image: NDArray[np.uint8]
    grid: tuple[int, int]
    p: Rows
    q: Rows | None
    bits: str
    alpha: Rows
    name: str
    scene: Scene | None = None
    live: bool = False
    said: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    class_token: bool = True

    def who(self, query: int | None) -> str:
        """Whose attention this is; without a class token it is the mean over all patches."""
        if query is not None:
            return f"patch {query}"
        return CLS if self.class_token else "all patches"

    @property
    def origin(self) -> str:
        """Where Q's part comes from, as a caption."""
        if self.live:
            return f"Computed just now: Q at {self.bits}, its ranges fitted to stored images."
        return f"Stored: Q at {self.bits}, from a run of the source maskaq."

    def heads(self, block: int | None) -> Rows:
        """Attention in P in a block, or the mean over blocks for None: [H,N]."""
        rows: Rows = self.p.mean(0) if block is None else self.p[block]
        return rows[~np.isnan(rows).any(1)]  # heads that this block, or any block, does not have

    def pair(self, block: int | None, head: int | None) -> tuple[Rows, Rows] | None:
        """Attention in P and Q, [N] each; the mean over blocks or heads for None.

        None if Q's part is missing; of patch queries only the mean over heads is stored.
        """
        if self.q is None or (head is not None and self.q.shape[1] != self.p.shape[1]):
            return None
        p, q = (
            np.nanmean(rows, 1) if head is None else rows[:, head] for rows in (self.p, self.q)
        )  # [L,N] each
        return (p.mean(0), q.mean(0)) if block is None else (p[block], q[block])


def of(choice: Choice, query: int | None) -> Maps | None:
    """The maps for a query: the number of a patch, or None for the class token.

    Stored maps have Q's part only if it is stored for the chosen bits. Other maps come from a
    worker; a button starts it, and until then they are None.
    """
    if is_scene(choice) or is_photograph(choice):
        return stored(choice, query)
    place = st.empty()
    place.info(f"Attention is stored only for {BUNDLED} and {photographs.MODEL}.")
    maps = _computed(choice, query)
    if maps is not None:
        place.empty()
    return maps


def with_q(choice: Choice, query: int | None, maps: Maps) -> Maps | None:
    """The same maps with Q's part; None until it has been computed, with a button to start that."""
    if maps.pair(choice.block, choice.head) is not None:
        return maps
    if maps.live:
        st.info("Q needs calibration images. The page Make one makes them for this model.")
        return None
    place = st.container()
    computed = _computed(choice, query)
    if computed is None:
        with place:
            _offer(choice, query, maps)
        return None
    return replace(computed, scene=maps.scene, name=maps.name)


def _offer(choice: Choice, query: int | None, maps: Maps) -> None:
    """Offer settings for which Q's part is stored."""
    names = showcase.BITS if maps.scene is not None else worlds.BITS
    if choice.bits not in names:
        offer.bits(f"No attention of Q at {choice.bits} is stored.", names, "attention")
    elif maps.q is None:
        line = "The attention of Q's patches is not stored for photographs."
        offer.settings(line, {CLS: {"query": CLS}}, "query")
    else:
        line = "Single heads of Q are stored for the class token only."
        offer.settings(line, {CLS: {"query": CLS}, "all heads": {"head": MEAN}}, "head")


def all_stored(choice: Choice, query: int | None) -> list[Maps]:
    """The stored maps of all pictures of the chosen model."""
    count = len(photographs.names()) if is_photograph(choice) else showcase.SCENES
    return [stored(replace(choice, image=number), query) for number in range(count)]


def _computed(choice: Choice, query: int | None) -> Maps | None:
    """From a worker, see `maskaq.queries.attention.attention`."""
    asked = question(choice) | {"query": query, "class_names": choice.own.class_names}
    answer = ask.answer("attention", subject(choice), asked)
    if answer is None:
        return None
    return Maps(
        image=answer["image"],
        grid=choice.shape.grid,
        p=answer["p"],
        q=answer["q"],
        bits=choice.bits,
        alpha=answer["alpha"],
        name=title(choice),
        live=True,
        said=answer["said"],
        class_token=answer["class_token"],
    )


def stored(choice: Choice, query: int | None) -> Maps:
    """The stored maps; Q's part is None if it is not stored for the chosen bits and the query."""
    bits, number = choice.bits, choice.image
    if is_photograph(choice):
        one = photographs.photograph(photographs.names()[number])
        q = one.q_rows(bits) if query is None and bits in worlds.BITS else None
        return Maps(
            one.image,
            choice.shape.grid,
            one.rows(query),
            q,
            bits,
            one.alpha,
            stored_title(choice),
            said=one.said(bits),
        )
    scene = showcase.scene(number)
    q = rows(number, bits, query) if bits in showcase.BITS else None
    p = rows(number, "P", query)
    return Maps(scene.image, GRID, p, q, bits, alpha(number), stored_title(choice), scene)


def rows(number: int, model: str, query: int | None) -> Rows:
    """Attention from one query of a stored model to the patches of a scene: [L,H,N].

    For patch queries of a Q only the mean over heads is stored, [L,1,N].
    """
    if query is None:
        return showcase.cls_rows(number, model)[..., 1:]
    if model == "P":
        return showcase.attention(number, model)[:, :, 1 + query, 1:]
    return showcase.mean_maps(number, model)[:, None, 1 + query, 1:]


@lru_cache(maxsize=showcase.SCENES)
def alpha(number: int) -> Rows:
    """Attention from P's class token to the patches of a scene, mean over blocks and heads: [N]."""
    mean: Rows = rows(number, "P", None).mean((0, 1))  # [N]
    mean.setflags(write=False)
    return mean
