"""Marks the control that the current step of a lesson names."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

_KEY = "_spotlight"  # in the session: the key of the control to mark


def aim(key: str) -> None:
    """Choose the control to mark, by its key; "" for none."""
    st.session_state[_KEY] = key


@contextmanager
def on(*keys: str) -> Iterator[None]:
    """Draw controls with these keys; a frame marks them if the lesson names one of them."""
    if st.session_state.get(_KEY) not in keys:
        yield
        return
    with st.container(border=True):
        st.caption(":material/arrow_downward: The lesson means this one.")
        yield
