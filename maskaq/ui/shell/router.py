"""Routes a URL to a page with the shared sidebar.

A server that finds a folder `pages/` starts in Streamlit's older multipage mode: it runs the file
named by the URL without `app.py`, and shows a dialog "Page not found" for a URL without a matching
file. The first call of `st.navigation` ends this mode for all visitors. So the URL path of a page
is its file name, and a page that was run without `app.py` calls the router, which runs it again.
"""

from functools import partial

import numpy as np
import streamlit as st
from PIL import Image

from maskaq.jobs import service
from maskaq.ui.shell import lesson_guide, sidebar, uploads
from maskaq.ui.state import pages, selection, session, url
from maskaq.ui.state.pages import PageSpec
from maskaq.ui.widgets import run_panel, show, tabs

_ROUTED = "_routed"  # in the session: the router has run and now runs the page


def route() -> None:
    """Draw the navigation and the sidebar, then run the page of the URL."""
    st.set_page_config(page_title="maskaq", page_icon=_icon(), layout="wide")
    visible = {spec.file: _page(spec) for spec in pages.PAGES}
    moved = [
        st.Page(partial(_forward, *where), title=name, url_path=name, visibility="hidden")
        for name, where in pages.MOVED.items()
    ]
    chosen = st.navigation([*visible.values(), *moved], position="top")
    spec = next((one for one in pages.PAGES if visible[one.file] is chosen), None)
    if spec is None:
        chosen.run()
        return
    _draw(chosen, spec)


def _page(spec: PageSpec) -> st.Page:
    first = spec is pages.PAGES[0]
    return st.Page(spec.file, title=spec.title, icon=spec.icon, help=spec.help, default=first)


def _draw(chosen: st.Page, spec: PageSpec) -> None:
    drawn = spec.tabs[tabs.current(spec)]
    st.set_page_config(initial_sidebar_state="auto" if drawn else "collapsed")
    st.session_state[session.PAGE] = spec.file
    url.begin()
    show.begin()
    sidebar.check(drawn)
    lesson_guide.follow()
    with st.sidebar:
        sidebar.controls(drawn)
        if spec.own:
            uploads.sidebar(runs=spec.runs, disabled=service.readonly())
        show.sidebar()
        session.tab()
    url.settle(selection.selection())
    run_panel.strip()
    st.session_state[_ROUTED] = True
    with lesson_guide.beside():
        chosen.run()
    url.finish()


def _forward(spec: PageSpec, tab: str) -> None:
    """Lead from an earlier address to the page that has its content now, with its settings."""
    settings = {name: st.query_params.get_all(name) for name in st.query_params}
    if tab != next(iter(spec.tabs)):
        settings[spec.parameter] = [tab]
    st.switch_page(spec.file, query_params=settings)


def enter() -> selection.Choice:
    """The shared selection. Every page calls this first."""
    if not st.session_state.pop(_ROUTED, False):
        route()
        st.stop()
    return selection.current()


def _icon() -> Image.Image:
    """Patches, some of them informative. A named icon would be loaded from the internet."""
    informative = np.zeros((4, 4), bool)
    informative[1:3, 1:3] = informative[0, 2] = True
    colours = np.where(informative[..., None], (230, 159, 0), (11, 92, 173)).astype(np.uint8)
    return Image.fromarray(colours).resize((64, 64), Image.Resampling.NEAREST)
