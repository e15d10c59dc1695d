"""Measures of the attention maps, over stored pictures where there are any."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from maskaq.figures.maps import attention, regions
from maskaq.intervals import Interval, student
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of, patch_count
from maskaq.ui.sections.look_inside.attention_maps import GRID, all_stored

if TYPE_CHECKING:
    from maskaq.regions.numpy_masks import Overlap
    from maskaq.ui.sections.look_inside.attention_maps import Maps
    from maskaq.ui.state.selection import Choice


def share(maps: Maps, choice: Choice) -> float:
    """The share of the attention to patches that falls on the informative ones, in P."""
    row = maps.heads(choice.block)  # [H,N]
    row = row.mean(0) if choice.head is None else row[choice.head]  # [N]
    mask = mask_of(maps.alpha, choice.mask_ratio)
    return float(row[mask].sum() / row.sum())


def mean_share(choice: Choice) -> Interval:
    """The mean of `share` for the class token over all stored pictures of the model."""
    return student([share(maps, choice) for maps in all_stored(choice, None)])


def distances(maps: Maps, choice: Choice, query: int | None) -> pd.DataFrame:
    """The distance of Q's attention from P's inside and outside the mask, for maps with a pair.

    Scenes use 1 000 scenes for the class token's mean over heads, and eight scenes otherwise;
    photographs use all photographs, and computed maps their own image.

    Returns:
        Columns part, value, low, high, n (images) and patches, for
        `figures.maps.attention.inside_outside`.
    """
    ratio, block, head = choice.mask_ratio, choice.block, choice.head
    if query is None and head is None and maps.scene is not None and not maps.live:
        return _over_many(maps.bits, ratio, -1 if block is None else block)
    several = [maps] if maps.live else all_stored(choice, query)
    masked = [(one.pair(block, head), mask_of(one.alpha, ratio)) for one in several]
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
