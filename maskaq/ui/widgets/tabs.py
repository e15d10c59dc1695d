"""The tabs of a page. Only the chosen one is drawn, and its name is part of the URL."""

import streamlit as st

from maskaq.ui.state import url
from maskaq.ui.state.pages import PageSpec


def current(spec: PageSpec) -> str:
    """The chosen tab, before the tabs are drawn; the first one by default."""
    name = st.session_state.get(spec.parameter) or st.query_params.get(spec.parameter)
    return name if name in spec.tabs else next(iter(spec.tabs))


def choose(spec: PageSpec) -> str:
    """Draw the tabs. Returns the name of the chosen one."""
    names = list(spec.tabs)
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
