"""The attention and similarity that a page shows: stored for the scenes, else from a worker.

Pages call `of` for attention maps and `similarity` for patch similarities.
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
    """The attention from one query to every patch of an image, in P and Q.

    Attributes:
        image: as the model sees it, uint8 [3,S,S].
        grid: rows and columns of patches.
        p: attention in P [L,H,N].
        q: attention in Q [L,H,N], or its mean over heads [L,1,N]; None without a Q.
        bits: the bit widths of Q.
        alpha: attention from P's class token, mean over blocks and heads [N].
        scene: the stored scene; None for another image.
        live: whether a worker computed the maps just now.
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
        """Where the maps come from, as a caption."""
        if self.live:
            fit = f"Q is {self.bits}, with ranges fitted to the images of a run."
            return f"Computed on this machine just now. {fit if self.q is not None else ''}"
        return (
            f"Stored example, shipped with maskaq. Q is {self.bits} and comes from the stored run "
            f"of the source maskaq. Made with `{showcase.COMMAND}`."
        )

    def heads(self, block: int | None) -> Rows:
        """Attention in P in a block, or the mean over blocks for None: [H,N]."""
        rows: Rows = self.p.mean(0) if block is None else self.p[block]
        return rows

    def pair(self, block: int | None, head: int | None) -> tuple[Rows, Rows] | None:
        """Attention in P and Q, [N] each; the mean over blocks or heads for None."""
        if self.q is None:
            return None
        one = head if self.by_head else None
        p, q = (rows.mean(0) if block is None else rows[block] for rows in (self.p, self.q))
        return (p.mean(0), q.mean(0)) if one is None else (p[one], q[one])

    def head(self, head: int | None) -> str:
        """A label for the heads that `pair` uses."""
        return "mean over heads" if head is None or not self.by_head else f"head {head}"

    @property
    def by_head(self) -> bool:
        """Whether single heads of Q are available; for patch queries of stored Qs they are not."""
        return self.q is None or self.q.shape[1] == self.p.shape[1]


def is_stored(choice: Choice) -> bool:
    """Whether stored maps exist for the chosen model and image."""
    return choice.model == BUNDLED and not choice.own.weights and choice.own.picture is None


def of(choice: Choice, query: int | None) -> Maps | None:
    """The maps for a query: the number of a patch, or None for the class token.

    If they are not stored, shows a button to compute them and returns the nearest stored maps, or
    None if there are none.

    A worker runs `attention(model, weights, picture, query, weight_bits, activation_bits,
    samples)`, with picture uint8 [H,W,3] and samples uint8 [n,3,S,S], or None, to fit Q's ranges
    to. It returns a dict of image uint8 [3,S,S], p and q float32 [L,H,N] (q None without samples)
    and alpha float32 [N].
    """
    near = stored(choice, query) if is_stored(choice) else None
    if near is not None and near.bits == choice.bits:
        return near
    why = f"Attention is stored only for {BUNDLED} on the eight scenes."
    if near is not None:
        why = f"No attention of a Q at {choice.bits} is stored. This page shows {near.bits}."
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
    """The stored maps of a scene, with Q at the stored bit widths nearest to the chosen ones."""
    number, bits = choice.image, nearest(choice.weight_bits, choice.activation_bits)
    return _of_scene(number, bits, query)


def _of_scene(number: int, bits: str, query: int | None) -> Maps:
    scene = showcase.scene(number)
    p, q = rows(number, "P", query), rows(number, bits, query)
    return Maps(scene.image, GRID, p, q, bits, alpha(number), scene)


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


def nearest(weight_bits: int, activation_bits: int) -> str:
    """The stored bit widths nearest to these."""
    return min(
        showcase.BITS, key=lambda name: _distance(parse_bits(name), weight_bits, activation_bits)
    )


def _distance(bits: tuple[int, int], weight_bits: int, activation_bits: int) -> int:
    return abs(bits[0] - weight_bits) + abs(bits[1] - activation_bits)


def distances(maps: Maps, choice: Choice, query: int | None) -> pd.DataFrame:
    """The distance of Q's attention from P's inside and outside the mask.

    Stored maps use 1 000 scenes for the class token's mean over heads, and eight scenes otherwise;
    computed maps use their own image.

    Returns:
        Columns part, value, low, high, n (images) and patches, for
        `figures.maps.attention.inside_outside`.
    """
    ratio, block, head = choice.mask_ratio, choice.block, choice.head
    if maps.live:
        pairs = [(maps, maps.alpha)]
    else:
        if query is None and head is None:
            return _over_many(maps.bits, ratio, -1 if block is None else block)
        numbers = range(showcase.SCENES)
        pairs = [(_of_scene(number, maps.bits, query), alpha(number)) for number in numbers]
    masked = [(one.pair(block, head), mask_of(weights, ratio)) for one, weights in pairs]
    return attention.inside_outside_frame([(*pair, mask) for pair, mask in masked if pair])


def _over_many(bits: str, ratio: float, block: int) -> pd.DataFrame:
    table = showcase.inside_outside()
    rows = (table["bits"] == bits) & (table["block"] == block) & np.isclose(table["ratio"], ratio)
    table = table[rows]
    count = GRID[0] * GRID[1]
    inside = patch_count(count, ratio)
    size = {"inside": inside, "outside": count - inside}
    part = table["part"] + " the mask"
    columns = ["part", "value", "low", "high", "n", "patches"]
    return table.assign(part=part, patches=table["part"].map(size))[columns]


@lru_cache(maxsize=1)
def overlaps() -> pd.DataFrame:
    """Overlap of masks with the true foreground over 1 000 scenes, for `figures.maps.regions`.

    Columns mask (`informative`, `random`), ratio, measure (`precision`, `recall`, `IoU`), value,
    low, high (in %) and n. All visitors share the frame: do not modify it.
    """
    table = showcase.overlap().replace({"measure": {"iou": "IoU"}})
    parts = []
    for name, prefix in (("informative", ""), ("random", "random_")):
        numbers = {key: 100 * table[prefix + key] for key in ("value", "low", "high")}
        parts.append(table[["ratio", "measure", "n"]].assign(mask=name, **numbers))
    return pd.concat(parts, ignore_index=True)


def overlap_table(here: Overlap, ratio: float) -> pd.DataFrame:
    """The overlap in one scene and the means at that mask ratio, for `regions.overlap`."""
    table = overlaps()
    table = table[np.isclose(table["ratio"], ratio)]
    means = {}
    for mask, part in table.groupby("mask", sort=False):
        shares = part[["value", "low", "high"]].to_numpy(float) / 100  # [measures,3]
        means[mask] = dict(zip(part["measure"], map(tuple, shares.tolist()), strict=True))
    return regions.overlap_frame(here, means["informative"], means["random"], int(table["n"].max()))


def similarity(choice: Choice) -> tuple[NDArray[np.uint8], list[Similarity]] | None:
    """An image that is not stored, and the similarity of its patches in every block.

    Shows a button to compute them; None until they are available. A worker runs
    `similarity(model, weights, picture)`, with arguments as in `of`, and returns a dict of image
    uint8 [3,S,S] and blocks, the fields of `Similarity` as one dict per block.
    """
    arguments = question(choice)
    plain = {name: arguments[name] for name in ("model", "weights", "picture")}
    place = st.empty()
    place.info(f"Examples are stored only for {BUNDLED}.")
    answer = ask.answer("similarity", subject(choice), plain)
    if answer is None:
        return None
    place.empty()
    return answer["image"], [Similarity(**block) for block in answer["blocks"]]


def subject(choice: Choice) -> tuple[object, ...]:
    """Identifies the model and image; later queries on the same subject start without a click."""
    picture = choice.own.picture
    name = choice.image if picture is None else hash(picture.pixels.tobytes())
    return choice.model, choice.own.weights, picture is None, name


def question(choice: Choice) -> dict[str, Any]:
    """The arguments of a worker's task, as plain values and arrays."""
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
    """Samples of a stored run of the same model, to fit Q's ranges to; None without one."""

    def order(run: Stored) -> tuple[bool, int]:
        bits = run.result.spec.quantization
        chosen = choice.weight_bits, choice.activation_bits
        distance = _distance((bits.weight_bits, bits.activation_bits), *chosen)
        return run.result.spec.synthesis.source != "maskaq", distance

    for run in sorted(stored_runs.listed(session.owner()), key=order):
        spec = run.result.spec
        if (spec.model, spec.weights) == (choice.model, choice.own.weights) and run.samples:
            images: NDArray[np.uint8] = run.samples["images"]
            return images
    return None
