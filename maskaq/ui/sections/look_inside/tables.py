"""The stored tables behind the tests of the tab Proof, and which of them fit the controls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.precomputed import claims, showcase
from maskaq.ui.sections.look_inside.questions import is_bundled
from maskaq.ui.state import url
from maskaq.ui.widgets import offer, show, spotlight

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

NOTE = f"Stored results of `scenes_vit`, made with `{claims.COMMAND}`. "


def read(name: str) -> pd.DataFrame:
    """A stored table; without it the page ends with the error."""
    table = show.attempt(claims.read, name)
    if table is None:
        url.stop()
    return table


def fits(choice: Choice) -> bool:
    """Whether the tables are about the chosen model; otherwise offers the one they are about."""
    if is_bundled(choice):
        return True
    offer.model("This test is stored for scenes_vit only.", "test")
    return False


def models(choice: Choice, key: str) -> tuple[str, ...]:
    """P, and Q at the chosen bits if it is stored; otherwise offers the stored ones."""
    if choice.bits in showcase.BITS:
        return "P", choice.bits
    offer.bits(f"No test of Q at {choice.bits} is stored.", showcase.BITS, key)
    return ("P",)


def measure(labels: Mapping[str, str], label: str, *, key: str, start: int = 0) -> str:
    """A menu of measures. labels: of each measure, by its name. start: the first one shown."""
    with spotlight.on(key):
        chosen: str = st.selectbox(
            label, list(labels), start, format_func=lambda name: labels[name], key=key
        )
    return chosen


def fill(table: pd.DataFrame, label: str) -> str:
    """A control for one of the fills in a table."""
    fills = list(dict.fromkeys(table["fill"]))
    with spotlight.on("claim_fill"):
        chosen: str = st.segmented_control(
            label, fills, default=fills[0], required=True, key="claim_fill", wrap=True
        )
    return chosen
