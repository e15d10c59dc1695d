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

_CLAIM = {True: "holds", False: "fails", None: "cannot be judged"}
_WHEN = {"random": "in random order", "other": "if they go last"}
_MEASURED = {
    "pixels": ("of the pixels {} keep their class", "pixels"),
    "object pixels": ("of the pixels of objects {} keep their class", "pixels"),
    "mIoU": ("mIoU is {}", "pixels"),
    "objects": ("of the objects {} are found again", "objects"),
    "recall": ("of the true objects {} are found", "objects"),
}
_FAR = 0.05  # difference of two shares that is named


def removal(table: pd.DataFrame, measure: str, share: float) -> str:
    """Claim 1: whether the answer depends on the informative patches more than on others.

    It is judged on the middle patches, see `maskaq.evaluation.dense_deletion`. Where too little of
    them is left, only the answers on the remaining patches are told.

    table: from `maskaq.precomputed.dense_deletion`, of one fill and measure. share: of the patches;
    the nearest one that is stored for all orders is used.
    """
    fair = _stored(table, "same")
    near = _nearest(fair or _stored(table, "remaining"), share)
    rows = table[(table["patches"] == ("same" if fair else "remaining")) & (table["share"] == near)]
    found = in_percent(rows).set_index("order")
    clear = [higher(found.loc[order], found.loc["informative"]) for order in _WHEN]
    claim = (True if all(clear) else False if False in clear else None) if fair else None
    where = "On the middle patches" if fair else "On the patches that remain"
    sentence, parts = _MEASURED[measure]
    first = sentence.format(percent(found.loc["informative"]))
    rest = [f"{percent(found.loc[order], False)} {when}" for order, when in _WHEN.items()]
    text = (
        f"**With {100 * near:.0f} % of the patches removed, the first claim {_CLAIM[claim]}**. "
        f"{where} {first} if the informative ones go first, {listed(rest)}; at least "
        f"{int(found['parts'].min()):,} {parts} in {int(found['n'].max()):,} scenes."
    )
    if not fair:
        text += " Each order leaves different patches."
    if abs(near - share) > _FAR:
        text += f" With {100 * share:.0f} % removed, too few {parts} are left to compare."
    return text


def _stored(table: pd.DataFrame, patches: str) -> list[float]:
    """The shares above 0 that are stored for every order."""
    rows = table[(table["patches"] == patches) & (table["share"] > 0)]
    counts = rows.groupby("share").size()
    return [float(share) for share in counts[counts == len(ORDERS)].index]


def _nearest(stored: Sequence[float], share: float) -> float:
    return min(stored, key=lambda one: abs(one - share))


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
