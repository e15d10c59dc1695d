"""The test Deletion of segmentation and detection: what P still says where patches remain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from maskaq.figures import overlays
from maskaq.figures.maps import deletion
from maskaq.models.menu import task_of
from maskaq.precomputed import dense_deletion
from maskaq.ui.sections.look_inside import dense_verdicts, tables
from maskaq.ui.state import url
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from maskaq.ui.sections.look_inside.attention_maps import Maps
    from maskaq.ui.state.selection import Choice

# By the column `patches` of the table: words for the title of a chart.
_COMPARED = {
    "remaining": "on the remaining patches",
    "same": "on the middle patches",
}


def answers(choice: Choice, maps: Maps, answer: dict[str, Any], count: int) -> None:
    """What P and Q answer for the whole picture and for the one without `count` patches.

    answer: from `maskaq.queries.removal.dense_removal`.
    """
    models = {"P": answer["p"]} | ({} if answer["q"] is None else {f"Q {choice.bits}": answer["q"]})
    if count:
        kept = {name: one["kept"] for name, one in models.items()}
        task = task_of(choice.model)
        show.verdict(dense_verdicts.kept(task, answer["classes"], kept, count))
    for name, one in models.items():
        pictures = {"whole picture": maps.image, "now": answer["image"]}
        for place, (when, image), shown in zip(
            st.columns(2), pictures.items(), one["shown"], strict=True
        ):
            with place:
                _picture(f"{name}, {when}", image, shown, answer["classes"])
    st.caption(
        "One picture, so without an interval. Removed patches get the picture's mean colour, and "
        "the answers there do not count."
        + ("" if answer["q"] is None else " The ranges of Q are fitted to stored images just now.")
    )


def _picture(title: str, image: NDArray[np.uint8], shown: NDArray[Any], classes: list[str]) -> None:
    """One answer on top of its picture."""
    found = overlays.of_answer(image, shown, classes)
    st.image(
        found.picture.transpose(1, 2, 0),
        caption=title,
        width="stretch",
        alt=f"{title}: {found.words}.",
    )


def over_scenes(choice: Choice) -> None:
    """P's answers while patches are removed, informative ones first or last."""
    task = task_of(choice.model)
    if choice.own.weights:
        st.info(f"This test is stored for the bundled weights of {choice.model} only.")
        return
    table: pd.DataFrame | None = show.attempt(dense_deletion.read, task)
    if table is None:
        url.stop()
    one, two = st.columns(2)
    with one:
        fill = tables.fill(table, "What replaces them")
    with two:
        labels = deletion.DENSE_MEASURES[task]
        measure = tables.measure(labels, "What is measured", key=f"claim_curve_{task}")
    rows = table[(table["fill"] == fill) & (table["measure"] == measure)]
    show.verdict(dense_verdicts.removal(rows, measure, choice.mask_ratio))
    for place, (patches, words) in zip(st.columns(2, gap="medium"), _COMPARED.items(), strict=True):
        own = deletion.frame(rows[rows["patches"] == patches], fill, measure, "P")
        chart = deletion.curves(own, measure, fill, "P", words).with_suffix(patches)
        with place:
            show.chart(chart, key=f"deletion_{patches}")
    st.caption(
        f"Stored results of `{choice.model}`, made with `{dense_deletion.COMMAND}`. The answer on "
        "removed patches does not count. With informative patches gone mostly background remains, "
        "which is easy. So the right figure only compares the middle patches: those that are "
        "neither among the most nor among the least informative ones. In random order some of them "
        "are removed and do not count."
    )
