"""What the test Deletion shows for segmentation and detection, in one sentence each."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from maskaq.figures.maps.deletion import ORDERS
from maskaq.figures.style import in_percent
from maskaq.results.verdicts import listed
from maskaq.ui.sections.look_inside.verdicts import higher, percent

Kept = NDArray[np.int64]  # [2,K], from `maskaq.queries.removal.dense_removal`

_CLAIM = {True: "holds", False: "fails", None: "cannot be told"}
_WHEN = {"random": "in random order", "other": "if they go last"}
_MEASURED = {
    "pixels": "of the pixels there {} keep their class",
    "object pixels": "of the pixels of objects there {} keep their class",
    "mIoU": "mIoU there is {}",
    "objects": "of the objects there {} are found again",
    "recall": "of the true objects there {} are found",
}


def removal(table: pd.DataFrame, measure: str, share: float) -> str:
    """Claim 1: whether the answer depends on the informative patches more than on others.

    It is judged on the same patches in every order, as far as there are any.

    table: from `maskaq.precomputed.dense_deletion`, of one fill and measure. share: of the patches;
    the nearest stored one is used.
    """
    remaining = table[table["patches"] == "remaining"]
    near = _nearest(remaining, share)
    same = table[(table["patches"] == "same") & (table["share"] == near)]
    fair = {"informative", "other"} <= set(same["order"])
    rows = same if fair else remaining[remaining["share"] == near]
    found = in_percent(rows).set_index("order")
    others = [order for order in _WHEN if order in found.index]
    clear = [higher(found.loc[order], found.loc["informative"]) for order in others]
    claim = (True if all(clear) else False if False in clear else None) if fair else None
    where = "On the same patches in every order" if fair else "On the patches that remain"
    first = _MEASURED[measure].format(percent(found.loc["informative"]))
    rest = [f"{percent(found.loc[order], False)} {_WHEN[order]}" for order in others]
    return (
        f"**With {100 * near:.0f} % of the patches removed, the first claim {_CLAIM[claim]}**. "
        f"{where}: {first} if the informative ones go first, {listed(rest)}; "
        f"n = {int(found['n'].max()):,} scenes."
        + ("" if fair else " But these are other patches in each order.")
    )


def _nearest(table: pd.DataFrame, share: float) -> float:
    """The nearest share above 0 that is stored for every order."""
    counts = table[table["share"] > 0].groupby("share").size()
    stored = counts[counts == len(ORDERS)].index.to_numpy(float)
    return float(stored[np.abs(stored - share).argmin()])


def kept(task: str, classes: Sequence[str], models: Mapping[str, Kept], count: int) -> str:
    """What is left of the answers for one picture where patches remain.

    count: number of removed patches.
    """
    gone = "One patch is" if count == 1 else f"{count} patches are"
    parts = [f"{name} {_KEPT[task](classes, one)}" for name, one in models.items()]
    return f"**{gone} gone**: {'; '.join(parts)}."


def _pixels(classes: Sequence[str], counts: Kept) -> str:
    """The last class is the background."""
    same, all_of_them = counts.sum(1)
    if not all_of_them:
        return "has no pixels left"
    text = f"keeps the class of {100 * same / all_of_them:.0f} % of the remaining pixels"
    same, all_of_them = counts[:, :-1].sum(1)
    if not all_of_them:
        return f"{text}; it saw no object there"
    return f"{text}, and of {100 * same / all_of_them:.0f} % of those where it saw an object"


def _objects(classes: Sequence[str], counts: Kept) -> str:
    found, all_of_them = counts
    if not all_of_them.any():
        return "found no object that mostly remains"
    still = _named(classes, found)
    lost = _named(classes, all_of_them - found)
    total = all_of_them.sum()
    objects = "object that mostly remains" if total == 1 else "objects that mostly remain"
    text = f"still finds {found.sum()} of {total} {objects}"
    details = [
        f"{what} {listed(names)}" for what, names in (("found", still), ("lost", lost)) if names
    ]
    return f"{text} ({'; '.join(details)})"


def _named(classes: Sequence[str], counts: NDArray[np.int64]) -> list[str]:
    """Names of classes with their counts, such as `2 x Bag`."""
    return [
        name if number == 1 else f"{number} x {name}"
        for name, number in zip(classes, counts.tolist(), strict=True)
        if number
    ]


_KEPT: Mapping[str, Callable[[Sequence[str], Kept], str]] = {
    "segmentation": _pixels,
    "detection": _objects,
}
