"""Routes a URL to a page with the shared sidebar.

A server that finds a folder `pages/` starts in Streamlit's older multipage mode: it runs the file
named by the URL without `app.py`, and shows a dialog "Page not found" for a URL without a matching
file. The first call of `st.navigation` ends this mode for all visitors. So the URL path of a page
is its file name, and a page that was run without `app.py` calls the router, which runs it again.
"""

import numpy as np
import streamlit as st
from PIL import Image

from maskaq.jobs import service
from maskaq.ui.shell import lesson_guide, sidebar, uploads
from maskaq.ui.state import pages, selection, session, url
from maskaq.ui.widgets import run_panel, show

_ROUTED = "_routed"  # in the session: the router has run and now runs the page


def route() -> None:
    """Draw the navigation and the sidebar, then run the page of the URL."""
    st.set_page_config(page_title="maskaq", page_icon=_icon(), layout="wide")
    sections: dict[str, list[st.Page]] = {}
    files: dict[str, str] = {}
    for spec in pages.PAGES:
        page = st.Page(
            spec.file,
            title=spec.title,
            icon=spec.icon,
            help=spec.help,
            default=spec is pages.PAGES[0],
        )
        sections.setdefault(spec.section, []).append(page)
        files[page.title] = spec.file
    chosen = st.navigation(sections, position="top")
    st.session_state[session.PAGE] = files.get(chosen.title)
    playground = st.session_state[session.PAGE] == pages.PLAYGROUND.file
    st.set_page_config(initial_sidebar_state="collapsed" if playground else "auto")
    url.begin()
    sidebar.check()
    with st.sidebar:
        lesson_guide.sidebar()
        # The playground has controls of its own.
        with st.expander("Settings of the other pages") if playground else st.container():
            sidebar.controls()
        uploads.sidebar(disabled=service.readonly())
        show.sidebar()
        session.tab()
        run_panel.sidebar()
    url.settle(selection.selection())
    st.session_state[_ROUTED] = True
    chosen.run()
    url.finish()


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
