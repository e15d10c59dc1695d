"""The tabs of a page and the views of a tab: one is drawn, and its name is part of the URL."""

from collections.abc import Iterable

import streamlit as st

from maskaq.ui.state import url
from maskaq.ui.state.pages import PageSpec
from maskaq.ui.widgets import spotlight


def current(spec: PageSpec) -> str:
    """The chosen tab, before the tabs are drawn; the first one by default."""
    first = next(iter(spec.tabs))
    if len(spec.tabs) == 1:  # and in the session the name may stand for something else
        return first
    name = str(st.session_state.get(spec.parameter) or st.query_params.get(spec.parameter))
    return name if name in spec.tabs else first


def header(spec: PageSpec) -> str:
    """Draw the title of a page and its tabs in one row. Returns the name of the chosen tab."""
    names = list(spec.tabs)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
        st.title(spec.title, width="content")
        if len(names) == 1:
            return names[0]
        return one_of(names, f"Parts of {spec.title}", key=spec.parameter)


def one_of(names: Iterable[str], label: str, *, key: str, wrap: bool = False) -> str:
    """Draw buttons of which one is chosen, at first the first. Returns its name.

    Args:
        label: for readers who cannot see the buttons.
        key: also the URL parameter, which is checked here.
        wrap: whether long rows continue below.
    """
    options = list(names)
    url.declare(**{key: url.one_of(options, options[0])})
    with spotlight.on(key):
        chosen: str = st.segmented_control(
            label,
            options,
            default=options[0],
            required=True,
            key=key,
            bind="query-params",
            label_visibility="collapsed",
            wrap=wrap,
        )
    return chosen
