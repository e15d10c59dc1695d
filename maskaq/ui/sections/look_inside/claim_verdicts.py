"""What the tests of the two claims show, in one sentence each, from their numbers."""

import numpy as np
import pandas as pd

from maskaq.figures.maps import answers
from maskaq.figures.maps import attributions as methods
from maskaq.figures.maps import deletion as orders
from maskaq.figures.style import model_label
from maskaq.results.verdicts import listed
from maskaq.ui.sections.look_inside.verdicts import Row, higher, percent

_PICTURES = (answers.WHOLE, answers.NOW)
_CLAIM = {True: "holds", False: "fails", None: "cannot be told"}


def regions(table: pd.DataFrame, ratio: float) -> str:
    """Claim 1: whether attention finds the object better than chance and the image centre.

    table: from `figures.maps.region_quality.frame`.
    """
    rows = table[table["measure"] == "precision"].set_index("who")
    ours: Row = rows.loc["attention in P"]
    others: dict[str, Row] = {name: rows.loc[name] for name in ("random map", "centre prior")}
    clear = [higher(ours, other) for other in others.values()]
    claim = True if all(clear) else False if False in clear else None
    against = listed([f"{row['value']:.0f} % for the {name}" for name, row in others.items()])
    return (
        f"**At {100 * ratio:.0f} % the first claim {_CLAIM[claim]}**: {percent(ours)} of the "
        f"informative patches lie on the object, against {against}; n = {int(ours['n']):,}."
    )


def stand_in(synthetic: pd.DataFrame) -> str:
    """Whether attention finds what P's answer depends on in synthetic images."""
    rows = synthetic[synthetic["measure"] == "precision"].set_index("who")
    ours: Row = rows.loc["attention in P"]
    chance: Row = rows.loc["random map"]
    word = {True: "more than", False: "less than", None: "not clearly more than"}
    return (
        f"**In synthetic images {percent(ours)} of the informative patches are among those that "
        f"P's answer depends on**, {word[higher(ours, chance)]} by chance "
        f"({chance['value']:.0f} %); n = {int(ours['n']):,}."
    )


def removal(table: pd.DataFrame, fill: str, share: float) -> str:
    """Claim 1: whether the answer depends on the informative patches more than on others.

    table: from `maskaq.precomputed.claims`. share: of the patches; the nearest stored one is used.
    """
    rows = table[(table["fill"] == fill) & (table["measure"] == "accuracy")]
    rows = rows[(rows["model"] == "P") & (rows["share"] != orders.AREA)]
    near = rows["share"].iloc[int((rows["share"] - share).abs().to_numpy().argmin())]
    found = rows[rows["share"] == near].set_index("order")
    found = found.assign(**{name: 100 * found[name] for name in ("value", "low", "high")})
    clear = [higher(found.loc[order], found.loc["informative"]) for order in ("random", "other")]
    claim = True if all(clear) else False if False in clear else None
    return (
        f"**With {100 * near:.0f} % of the patches removed, the first claim {_CLAIM[claim]}**: P "
        f"is right on {percent(found.loc['informative'])} of {int(found['n'].max()):,} scenes if "
        f"the informative ones go first, on {percent(found.loc['random'], False)} in random order, "
        f"and on {percent(found.loc['other'], False)} if they go last."
    )


def moved(table: pd.DataFrame, count: int) -> str:
    """How the answers for one picture changed.

    table: from `figures.maps.answers.frame`. count: number of removed patches.
    """
    parts = []
    for model in dict.fromkeys(table["model"]):
        (before, first), (now, last) = (answers.top(table, model, one) for one in _PICTURES)
        keeps = (
            f"still answers {now}" if now == before else f"now answers {now} instead of {before}"
        )
        parts.append(f"{model} {keeps} ({first:.0f} % before, {last:.0f} % now)")
    gone = "One patch is" if count == 1 else f"{count} patches are"
    return f"**{gone} gone**: {'; '.join(parts)}."


def heads(table: pd.DataFrame) -> str:
    """Which single head is best and which is worst.

    table: from `figures.maps.region_quality.blocks_frame`.
    """
    rows = table[table["head"] >= 0].sort_values("value")
    best, worst = rows.iloc[-1], rows.iloc[0]
    return (
        f"**Best is head {best['head']:.0f} of block {best['block']:.0f}** with {percent(best)}, "
        f"worst head {worst['head']:.0f} of block {worst['block']:.0f} with "
        f"{percent(worst, False)}; n = {int(best['n']):,} scenes."
    )


def information(table: pd.DataFrame, model: str, ratio: float) -> str | None:
    """Claim 2: whether the informative patches carry most of the information about the answer.

    Returns None if nothing is stored for the ratio.

    table: from `figures.maps.information.frame`, for one model and fill.
    """
    rows = table[np.isclose(table["ratio"], 100 * ratio)].set_index("patches")
    if rows.empty:
        return None
    ours: Row = rows.loc["informative"]
    rest: Row = rows.loc["all others"]
    claim = higher(ours, rest)
    return (
        f"**At {100 * ratio:.0f} % the second claim {_CLAIM[claim]} for {model_label(model)}**: "
        f"the informative patches carry {_bits(ours)}, all others {_bits(rest, False)}; "
        f"n = {int(ours['n']):,} scenes."
    )


def patch_for_patch(table: pd.DataFrame, ratio: float) -> str:
    """Whether the informative patches carry more than as many others, as a part of a note.

    table, ratio: as for `information`; "" if nothing is stored for the ratio.
    """
    rows = table[np.isclose(table["ratio"], 100 * ratio)].set_index("patches")
    if rows.empty:
        return ""
    ours: Row = rows.loc["informative"]
    equal: Row = rows.loc["as many others"]
    words = {
        True: "The informative patches carry more than as many others",
        False: "The informative patches carry less than as many others",
        None: "The informative patches cannot be told from as many others",
    }[higher(ours, equal)]
    return f"{words} ({_bits(equal)}). "


def agreement(table: pd.DataFrame, measure: str) -> str:
    """Which attribution methods come first and last by a measure.

    table: from `figures.maps.attributions.frame`.
    """
    parts: list[str] = []
    for model, rows in table.groupby("model", sort=False):
        others = rows[rows["method"] != "attention"].sort_values("value")
        worst, best = others.iloc[0], others.iloc[-1]
        parts.append(
            f"in {model_label(str(model))} {best['method']} is the highest, "
            f"{_number(best, first=not parts)}, {worst['method']} the lowest, {_number(worst)}"
        )
    name = methods.MEASURES[measure]
    n = int(table["n"].max())
    return f"**{name[0].upper()}{name[1:]}**: {'; '.join(parts)}. n = {n:,} scenes."


def _bits(row: Row, first: bool = True) -> str:
    name = "95 % interval " if first else ""
    return f"{row['value']:.2f} bits ({name}{row['low']:.2f} to {row['high']:.2f})"


def _number(row: Row, first: bool = False) -> str:
    name = "95 % interval " if first else ""
    return f"{row['value']:.2f} ({name}{row['low']:.2f} to {row['high']:.2f})"
