"""From an address to a page with the shared sidebar.

A server that finds a folder `pages/` starts in Streamlit's older mode, in which the file named by
the address runs alone, and an address that names no file raises a dialog "Page not found" over the
page; `st.navigation` ends this mode for all later visitors. So pages keep their files' names as
addresses, and a page that finds itself alone calls the router, which then runs the page again.
"""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import streamlit as st
from PIL import Image

from maskaq.ui.shell import lesson_guide
from maskaq.ui.state import pages, selection, session, stored_runs, uploads, url
from maskaq.ui.widgets import run_panel, show

_ROUTED = "_routed"  # in the session: the router has run and is about to run the page


def route() -> None:
    """Draw navigation and sidebar, then run the page of the address."""
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
    chosen = st.navigation(sections, expanded=True)
    st.session_state[run_panel.PAGE] = files.get(chosen.title)
    url.begin()
    selection.check()
    with st.sidebar:
        lesson_guide.sidebar()
        selection.sidebar()
        uploads.sidebar(disabled=stored_runs.readonly())
        show.sidebar()
        session.tab()
        run_panel.line()
    url.settle(selection.selection())
    st.session_state[_ROUTED] = True
    chosen.run()
    url.finish()


def enter() -> selection.Choice:
    """The shared selection; the first call of every page."""
    if not st.session_state.pop(_ROUTED, False):
        route()
        st.stop()
    return selection.current()


def stop() -> NoReturn:
    """End the page here. Pages call this in place of `st.stop`, after which nothing is drawn."""
    url.finish()
    st.stop()


def _icon() -> Image.Image:
    """Patches, some of them informative. A named icon would come from the network."""
    informative = np.zeros((4, 4), bool)
    informative[1:3, 1:3] = informative[0, 2] = True
    colours = np.where(informative[..., None], (230, 159, 0), (11, 92, 173)).astype(np.uint8)
    return Image.fromarray(colours).resize((64, 64), Image.Resampling.NEAREST)
