"""The tabs of a page. Only the chosen one is drawn, and its name is part of the URL."""

import streamlit as st

from maskaq.ui.state import url
from maskaq.ui.state.pages import PageSpec


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
        url.declare(**{spec.parameter: url.one_of(names, names[0])})
        chosen: str = st.segmented_control(
            f"Parts of {spec.title}",
            names,
            default=names[0],
            required=True,
            key=spec.parameter,
            bind="query-params",
            label_visibility="collapsed",
        )
    return chosen
