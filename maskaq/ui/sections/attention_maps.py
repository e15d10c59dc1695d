"""Whose attention a page draws: stored for the scenes, else asked of a worker.

A page that draws attention calls `of` and shows what it gets; `similarity` is the same for the
likeness of patches. Numbers are rounded, masked and averaged elsewhere, this only finds them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from maskaq.config.parsing import parse_bits
from maskaq.figures.maps import attention, regions
from maskaq.models.menu import BUNDLED, shape_of
from maskaq.precomputed import showcase
from maskaq.precomputed.showcase import Similarity
from maskaq.regions.numpy_masks import mask_of, patch_count
from maskaq.ui.state import session, stored_runs
from maskaq.ui.widgets import query as ask

if TYPE_CHECKING:
    from maskaq.precomputed.showcase import Scene
    from maskaq.regions.numpy_masks import Overlap
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

Rows = NDArray[np.float32]
GRID = shape_of(BUNDLED).grid  # patches of a scene


@dataclass(frozen=True, eq=False)
class Maps:
    """What one query of P and of Q pays to every patch of a picture.

    image: as the model sees it, uint8 [3,S,S]. grid: patches in rows and columns. p: [L,H,N]. q:
    the same, or the mean over heads [L,1,N], or None without a Q. bits: of Q. alpha: what P's
    class token pays to each patch, mean over blocks and heads [N]. scene: the stored scene, None
    for another picture. live: whether a worker computed it just now.
    """

    image: NDArray[np.uint8]
    grid: tuple[int, int]
    p: Rows
    q: Rows | None
    bits: str
    alpha: Rows
    scene: Scene | None
    live: bool = False

    @property
    def origin(self) -> str:
        """Where this comes from."""
        if self.live:
            made = f"Q is {self.bits}: its ranges are fitted to images of a run, and nothing else."
            return f"Computed on this machine just now. {made if self.q is not None else ''}"
        return (
            f"Stored example, shipped with maskaq. Q is {self.bits} and comes from the stored run "
            f"of the source maskaq. Made with `{showcase.COMMAND}`."
        )

    def heads(self, block: int | None) -> Rows:
        """P's rows in a block, or their mean over blocks: [H,N]."""
        rows: Rows = self.p.mean(0) if block is None else self.p[block]
        return rows

    def pair(self, block: int | None, head: int | None) -> tuple[Rows, Rows] | None:
        """Rows of P and Q, [N] each; the mean over blocks or heads for None."""
        if self.q is None:
            return None
        one = head if self.by_head else None
        p, q = (rows.mean(0) if block is None else rows[block] for rows in (self.p, self.q))
        return (p.mean(0), q.mean(0)) if one is None else (p[one], q[one])

    def head(self, head: int | None) -> str:
        """Which heads `pair` is about, in words."""
        return "mean over heads" if head is None or not self.by_head else f"head {head}"

    @property
    def by_head(self) -> bool:
        """Whether Q's heads are known one by one; of the patches of stored Qs they are not."""
        return self.q is None or self.q.shape[1] == self.p.shape[1]


def known(choice: Choice) -> bool:
    """Whether the stored maps are about the chosen model and picture."""
    return choice.model == BUNDLED and not choice.own.weights and choice.own.picture is None


def of(choice: Choice, query: int | None) -> Maps | None:
    """The maps of the shared selection for one query: a patch, or None for the class token.

    Draws the button that has them computed, where they are not stored, and says what is shown in
    the meantime. None if that is nothing.

    A worker is asked `attention(model, weights, picture, query, weight_bits, activation_bits,
    samples)`: picture uint8 [H,W,3], query None or the number of a patch, samples uint8
    [n,3,S,S] to fit Q's ranges to, or None. It answers with a dict of image uint8 [3,S,S], as the
    model sees it, p and q float32 [L,H,N], what the query pays to each patch (q None without
    samples), and alpha float32 [N].
    """
    near = stored(choice, query) if known(choice) else None
    if near is not None and near.bits == choice.bits:
        return near
    why = f"Stored is the attention of {BUNDLED} to the eight scenes only."
    if near is not None:
        why = f"No attention of a Q with {choice.bits} is stored. Shown is {near.bits}."
    place = st.empty()
    place.info(why)
    answer = ask.answer("attention", subject(choice), question(choice) | {"query": query})
    if answer is None:
        return near
    place.empty()
    return Maps(
        image=answer["image"],
        grid=choice.shape.grid,
        p=answer["p"],
        q=answer.get("q"),
        bits=choice.bits,
        alpha=answer["alpha"],
        scene=None if near is None else near.scene,
        live=True,
    )


def stored(choice: Choice, query: int | None) -> Maps:
    """The stored maps of a scene; Q at the stored width that is nearest to the chosen one."""
    number, bits = choice.image, nearest(choice.weight_bits, choice.activation_bits)
    return _of_scene(number, bits, query)


def _of_scene(number: int, bits: str, query: int | None) -> Maps:
    scene = showcase.scene(number)
    p, q = rows(number, "P", query), rows(number, bits, query)
    return Maps(scene.image, GRID, p, q, bits, alpha(number), scene)


def rows(number: int, model: str, query: int | None) -> Rows:
    """What one query of a stored model pays to the patches of a scene: [L,H,N].

    Of the Qs the rows of patches are stored as the mean over heads only, [L,1,N].
    """
    if query is None:
        return showcase.cls_rows(number, model)[..., 1:]
    if model == "P":
        return showcase.attention(number, model)[:, :, 1 + query, 1:]
    return showcase.mean_maps(number, model)[:, None, 1 + query, 1:]


@lru_cache(maxsize=showcase.SCENES)
def alpha(number: int) -> Rows:
    """What P's class token pays to each patch of a scene, mean over blocks and heads: [N]."""
    found: Rows = rows(number, "P", None).mean((0, 1))
    found.setflags(write=False)
    return found


def nearest(weight_bits: int, activation_bits: int) -> str:
    """The stored width nearest to this one."""
    return min(
        showcase.BITS, key=lambda name: _apart(parse_bits(name), weight_bits, activation_bits)
    )


def _apart(bits: tuple[int, int], weight_bits: int, activation_bits: int) -> int:
    return abs(bits[0] - weight_bits) + abs(bits[1] - activation_bits)


def distances(seen: Maps, choice: Choice, query: int | None) -> pd.DataFrame:
    """How far Q's attention is from P's inside and outside the mask.

    Columns part, value, low, high, n (images) and patches, for `figures.attention.inside_outside`:
    of stored maps over 1 000 scenes for the class token's mean over heads, else over the eight; of
    computed ones over the picture alone.
    """
    ratio, block, head = choice.mask_ratio, choice.block, choice.head
    if seen.live:
        pairs = [(seen, seen.alpha)]
    else:
        if query is None and head is None:
            return _over_many(seen.bits, ratio, -1 if block is None else block)
        numbers = range(showcase.SCENES)
        pairs = [(_of_scene(number, seen.bits, query), alpha(number)) for number in numbers]
    found = [(maps.pair(block, head), mask_of(weights, ratio)) for maps, weights in pairs]
    return attention.inside_outside_frame([(*pair, mask) for pair, mask in found if pair])


def _over_many(bits: str, ratio: float, block: int) -> pd.DataFrame:
    table = showcase.inside_outside()
    fits = (table["bits"] == bits) & (table["block"] == block) & np.isclose(table["ratio"], ratio)
    table = table[fits]
    count = GRID[0] * GRID[1]
    inside = patch_count(count, ratio)
    size = {"inside": inside, "outside": count - inside}
    words = table["part"] + " the mask"
    columns = ["part", "value", "low", "high", "n", "patches"]
    return table.assign(part=words, patches=table["part"].map(size))[columns]


@lru_cache(maxsize=1)
def overlaps() -> pd.DataFrame:
    """Overlap of masks with the true foreground over 1 000 scenes, for `figures.regions.ratios`.

    Columns mask (`informative`, `random`), ratio, measure (`precision`, `recall`, `IoU`), value,
    low, high (in %) and n. Shared by all visitors: not to be changed.
    """
    table = showcase.overlap().replace({"measure": {"iou": "IoU"}})
    parts = []
    for name, prefix in (("informative", ""), ("random", "random_")):
        numbers = {key: 100 * table[prefix + key] for key in ("value", "low", "high")}
        parts.append(table[["ratio", "measure", "n"]].assign(mask=name, **numbers))
    return pd.concat(parts, ignore_index=True)


def overlap_table(here: Overlap, ratio: float) -> pd.DataFrame:
    """The overlap in one scene beside the means at that ratio, for `figures.regions.overlap`."""
    table = overlaps()
    table = table[np.isclose(table["ratio"], ratio)]
    means = {}
    for mask, part in table.groupby("mask", sort=False):
        shares = part[["value", "low", "high"]].to_numpy(float) / 100  # [measures,3]
        means[mask] = dict(zip(part["measure"], map(tuple, shares.tolist()), strict=True))
    return regions.overlap_frame(here, means["informative"], means["random"], int(table["n"].max()))


def similarity(choice: Choice) -> tuple[NDArray[np.uint8], list[Similarity]] | None:
    """A picture that is not stored, and the similarity of its patches in every block.

    None until they are there; draws the button that has them computed. A worker is asked
    `similarity(model, weights, picture)`, see `of`, and answers with a dict of image uint8
    [3,S,S], as the model sees it, and blocks, for each the fields of `Similarity` as a dict.
    """
    whole = question(choice)
    plain = {name: whole[name] for name in ("model", "weights", "picture")}
    place = st.empty()
    place.info(f"Stored are examples of {BUNDLED} only.")
    answer = ask.answer("similarity", subject(choice), plain)
    if answer is None:
        return None
    place.empty()
    return answer["image"], [Similarity(**block) for block in answer["blocks"]]


def subject(choice: Choice) -> tuple[object, ...]:
    """What is asked about; a visitor who wanted one answer about it gets the next ones unasked."""
    picture = choice.own.picture
    name = choice.image if picture is None else hash(picture.pixels.tobytes())
    return choice.model, choice.own.weights, picture is None, name


def question(choice: Choice) -> dict[str, Any]:
    """What the worker is told: plain values and arrays."""
    own = choice.own.picture
    scene = showcase.scene(choice.image).image.transpose(1, 2, 0)  # [S,S,3]
    return {
        "model": choice.model,
        "weights": choice.own.weights,
        "picture": np.ascontiguousarray(scene) if own is None else own.pixels,
        "weight_bits": choice.weight_bits,
        "activation_bits": choice.activation_bits,
        "samples": _samples(choice),
    }


def _samples(choice: Choice) -> NDArray[np.uint8] | None:
    """Images that Q's ranges can be fitted to: those of a run of this very model, if any."""

    def order(run: Stored) -> tuple[bool, int]:
        bits = run.result.spec.quantization
        wanted = choice.weight_bits, choice.activation_bits
        apart = _apart((bits.weight_bits, bits.activation_bits), *wanted)
        return run.result.spec.synthesis.source != "maskaq", apart

    for run in sorted(stored_runs.listed(session.owner()), key=order):
        spec = run.result.spec
        if (spec.model, spec.weights) == (choice.model, choice.own.weights) and run.samples:
            images: NDArray[np.uint8] = run.samples["images"]
            return images
    return None
