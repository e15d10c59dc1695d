"""What a page shows where nothing is stored at the chosen bit widths: those that are stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.ui.state import pages
from maskaq.ui.widgets import offer

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice


def missing(choice: Choice, stored: Iterable[str], *, key: str, what: str = "No run is") -> None:
    """Say that nothing is stored at these bits, with buttons that choose those that are.

    Args:
        stored: bit widths such as `W4A4`; repeated ones count once.
        key: prefix of the keys of the buttons.
        what: the start of the sentence.
    """
    st.info(f"{what} stored at {choice.bits}. Choose bits that are:", icon=":material/tune:")
    with st.container(horizontal=True):
        offer.pairs(stored, key)


def make(choice: Choice) -> None:
    """A link to the page that computes a run at these bits, unless this server only shows."""
    if not choice.readonly:
        st.page_link(
            pages.MAKE_ONE.file,
            label=f"Make one at {choice.bits}",
            icon=pages.MAKE_ONE.icon,
        )
