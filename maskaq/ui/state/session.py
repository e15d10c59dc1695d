"""The visitor: one browser tab, recognized after a reload, and the runs it has started.

A reload gives a page a new Streamlit session, and the URL cannot identify a visitor, because it is
shared with others. So the tab keeps a random key in its `sessionStorage`, which survives a reload
and which no other tab can read. The key is a secret between the tab and the server: it is never
shown, logged or put into a URL.
"""

import uuid
from pathlib import Path
from typing import TypeGuard

import streamlit as st

from maskaq.jobs import service
from maskaq.jobs.job import Record

_SCRIPT = Path(__file__).with_suffix(".js")
PAGE = "_page"  # in the session: file of the current page
_TAB = "_tab"  # in the session: the key of the component
_OWNER = "_owner"  # in the session: the owner of its runs
_ANSWERED = "_tab_answered"  # in the session: the owner is the key of the tab


def tab() -> None:
    """Ask the tab for its key with an invisible component. The answer triggers a rerun."""
    state = st.session_state
    component = st.components.v2.component("maskaq_tab", js=_SCRIPT.read_text())
    answer = component(
        key=_TAB,
        data={"answered": state.get(_ANSWERED, False)},
        on_key_change=lambda: None,
        height=1,
    )
    key = getattr(answer, "key", None)
    if is_key(key) and not state.get(_ANSWERED):
        service.move(owner(), key)  # what was started before the tab answered
        state[_OWNER], state[_ANSWERED] = key, True


def owner() -> str:
    """The owner of the runs of this tab.

    Until the tab has answered, and where scripts are blocked, this is a random name that is lost
    when the page is reloaded.
    """
    name: str = st.session_state.setdefault(_OWNER, str(uuid.uuid4()))
    return name


def records() -> list[Record]:
    """The runs of this tab, oldest first. Starts no worker."""
    return service.runs_of(owner())


def is_key(value: object) -> TypeGuard[str]:
    """Whether a value is a valid key of a tab; a client may send anything."""
    if not isinstance(value, str) or len(value) != 36:
        return False
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
