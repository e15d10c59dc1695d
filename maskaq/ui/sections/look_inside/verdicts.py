"""What the figures of attention and similarity show, in one sentence each, from their numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from maskaq.results.verdicts import listed

if TYPE_CHECKING:
    from maskaq.intervals import Interval
    from maskaq.regions.numpy_masks import Overlap

Row: TypeAlias = Any  # of a table, with the columns value, low, high and mostly n


def higher(one: Row, other: Row) -> bool | None:
    """Whether one number is above another; None where their intervals overlap."""
    if one["low"] > other["high"]:
        return True
    return False if one["high"] < other["low"] else None


def looks(who: str, share: float, mask: NDArray[np.bool_], several: Interval | None) -> str:
    """How much of the attention falls on the informative patches.

    several: the same over several pictures, where it is known.
    """
    chance = mask.mean()
    text = (
        f"**{100 * share:.0f} % of the attention of {who} falls on the "
        f"{_patches(int(mask.sum()))}**, {share / chance:.1f} times as much as if it were spread "
        "evenly"
    )
    if several is None:
        return f"{text} (one picture, so without an interval)."
    return f"{text}. Mean of {several.n} pictures: {_percent(*several[:3])}."


def _patches(count: int) -> str:
    return "one informative patch" if count == 1 else f"{count} informative patches"


def finds(here: Overlap, table: pd.DataFrame, ratio: float) -> str:
    """Whether the informative region is on the object, here and on average.

    table: as for `figures.maps.regions.ratios`.
    """
    rows = table[np.isclose(table["ratio"], ratio) & (table["measure"] == "precision")]
    informative, random = (rows[rows["mask"] == name].iloc[0] for name in ("informative", "random"))
    found = {
        True: "Attention finds the object",
        False: "Attention misses the object",
        None: "Attention finds the object no better than chance",
    }[higher(informative, random)]
    return (
        f"**{found}**: {here.hits} of {here.chosen} informative patches lie on it here, and "
        f"{percent(informative)} in {int(informative['n']):,} scenes; of random patches "
        f"{random['value']:.0f} %."
    )


def best_ratio(table: pd.DataFrame, measure: str = "IoU") -> str:
    """The mask ratio at which the region fits the object best."""
    rows = table[(table["mask"] == "informative") & (table["measure"] == measure)]
    best = rows.sort_values("value").iloc[-1]
    tied = rows[[higher(best, row) is None for _, row in rows.iterrows()]]["ratio"]
    low, high = 100 * tied.min(), 100 * tied.max()
    where = f"{low:.0f} %" if low == high else f"{low:.0f} to {high:.0f} %"
    return (
        f"**The region fits the object best at a mask ratio of {where}**: {measure} "
        f"{percent(best)}, n = {int(best['n']):,}."
    )


def changes(table: pd.DataFrame, bits: str) -> str:
    """How far Q's attention is from P's inside and outside the region.

    table: from `figures.maps.attention.inside_outside_frame`.
    """
    inside, outside = (row for _, row in table.iterrows())
    n = int(inside["n"])
    images = f"n = {n:,} images" if n > 1 else "one picture, so without an interval"
    if not np.isfinite(outside["value"]):
        return (
            f"**At {bits} Q's attention differs from P's by {_small(inside)} per patch**; the "
            f"region covers the whole picture ({images})."
        )
    ratio = inside["value"] / outside["value"] if outside["value"] > 0 else np.inf
    clear = higher(inside, outside) if n > 1 else None
    if n == 1:
        what = "Q differs from P"
    elif clear is None:
        what = "Q differs from P equally inside and outside the region, as far as can be told"
    else:
        what = f"Q differs from P {'more' if clear else 'less'} inside the region"
    return (
        f"**{what}, at {bits}**: by {_small(inside)} per patch inside and {_small(outside)} "
        f"outside, {ratio:.1f} times as much ({images})."
    )


def spread(table: pd.DataFrame, block: int | None) -> str:
    """Which kind of image has the most varied similarities.

    table: from `maskaq.precomputed.showcase.entropies`. block: None for all of them.
    """
    n = int(table["n"].max())
    ranked = {number: _ranked(rows) for number, rows in table.groupby("block")}
    if block is None:
        firsts = [rows.iloc[0]["kind"] for rows, tied in ranked.values() if not tied]
        lasts = [rows.iloc[-1]["kind"] for rows, _ in ranked.values()]
        widest = max(set(firsts), key=firsts.count) if firsts else ""
        narrowest = max(set(lasts), key=lasts.count)
        most = f"{widest} images are clearly the widest in {firsts.count(widest)}" if widest else ""
        least = f"{narrowest} is the narrowest in {lasts.count(narrowest)} of {len(ranked)} blocks"
        return f"**By spread, {listed([one for one in (most, least) if one])}** (n = {n} each)."
    rows, tied = ranked[block]
    best, rest = rows.iloc[0], rows.iloc[1:]
    values = [f"{row['kind']} {_nats(row)}" for _, row in rows.iterrows()]
    if tied:
        head = f"In block {block} {listed([best['kind'], *tied])} cannot be told apart"
    else:
        gap = best["value"] - rest.iloc[0]["value"]
        head = f"In block {block} {best['kind']} has the widest spread, by {gap:.2f} nats"
    return f"**{head}**: entropy {'; '.join(values)}; n = {n} images each."


def _ranked(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Kinds from the widest, and those that cannot be told apart from the first."""
    names = {"gaussian": "value", "gaussian_low": "low", "gaussian_high": "high"}
    rows = rows.drop(columns=[*names.values()], errors="ignore").rename(columns=names)
    rows = rows.sort_values("value", ascending=False)
    best = rows.iloc[0]
    return rows, [row["kind"] for _, row in rows.iloc[1:].iterrows() if higher(best, row) is None]


def one_spread(name: str, std: float, gaussian: float, inside: tuple[float, float] | None) -> str:
    """How widely the similarities in one image vary.

    inside: mean similarity of two informative patches, and of an informative one and another.
    """
    text = f"**{name}: the similarities vary by {std:.2f}** (standard deviation), entropy "
    text += f"{gaussian:.2f} nats"
    if inside is None or not np.isfinite(inside).all():
        return f"{text}."
    return (
        f"{text}. Two informative patches have a similarity of {inside[0]:.2f} on average, an "
        f"informative one and another {inside[1]:.2f}."
    )


def _percent(value: float, low: float, high: float) -> str:
    return f"{100 * value:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f})"


def percent(row: Row, first: bool = True) -> str:
    """A number in % with its interval, which the first one in a sentence calls so."""
    name = "95 % interval " if first else ""
    return f"{row['value']:.0f} % ({name}{row['low']:.0f} to {row['high']:.0f})"


def _nats(row: Row) -> str:
    return f"{row['value']:.2f} nats ({row['low']:.2f} to {row['high']:.2f})"


def _small(row: Row) -> str:
    interval = f" ({row['low']:.5f} to {row['high']:.5f})" if np.isfinite(row["low"]) else ""
    return f"{row['value']:.5f}{interval}"
