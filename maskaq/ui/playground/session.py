"""A visitor's state in the playground, and what happens when the browser sends something."""

from pathlib import Path
from typing import Any

import streamlit as st

from maskaq.data.upload import Picture
from maskaq.errors import MaskaqError
from maskaq.jobs import service
from maskaq.ui.playground import message, own, view
from maskaq.ui.playground.own import OwnPicture
from maskaq.ui.playground.view import View
from maskaq.ui.state import selection
from maskaq.ui.widgets import browser, model_download

KEY = "playground"  # of the component
_ASSETS = Path(__file__).with_name("assets")
_VIEW, _OWN, _PROBLEM = "_view", "_own_look", "_own_problem"  # in the session
_POLL = 1.0  # seconds; each poll costs the server a collection of garbage
_SOON = 1.5  # seconds to wait for an answer before polling
_SCENE = (
    "Or choose a scene above and drop the picture again: the model of the scenes ships with maskaq."
)


def show() -> Any:
    """Draw the component. Returns what the browser sent in this rerun, as attributes."""
    look = _own()
    data = look.message() if look is not None else None
    return browser.mount(
        "playground",
        _ASSETS,
        key=KEY,
        data=data or message.of_stored(current(), service.readonly()),
        on_picture_change=_choose,
        on_own_change=_receive,
        on_wanted_change=_want,
        on_warm_change=service.warm,
        on_camera_change=lambda: None,
        on_go_change=lambda: None,
    )


def current() -> View:
    """The present view: at first that of the URL."""
    state = st.session_state
    if _VIEW not in state:
        try:
            state[_VIEW] = view.parse(st.query_params.get("view", str(view.DEFAULT)))
        except ValueError:  # reported by `url.declare`
            state[_VIEW] = view.DEFAULT
    shown: View = state[_VIEW]
    return shown


def ask_about(picture: Picture) -> None:
    """Ask the model of the present picture's world about a visitor's picture."""
    world = view.world_of(current().picture)
    choice = selection.current()
    weights = choice.own.weights if choice.model == world.model else ""
    st.session_state[_OWN] = OwnPicture(picture, world, weights, current())
    st.session_state.pop(_PROBLEM, None)


def wait() -> None:
    """Show the progress of the visitor's picture, and draw the page again when it is answered."""
    if problem := st.session_state.get(_PROBLEM):
        st.error(problem, icon=":material/error:")
    look = _own()
    if look is None:
        return
    if not model_download.ready(look.world.model, look.weights, key=KEY):
        st.caption(_SCENE)
        return
    try:
        look.ask()
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        return
    if look.error():
        st.error(look.error(), icon=":material/error:")
        st.caption(_SCENE)
    elif look.waiting:
        if look.settles(_SOON):  # most answers of a warm worker
            st.rerun()
        st.fragment(_poll, run_every=_POLL)(look)


def _poll(look: OwnPicture) -> None:
    if not look.waiting:
        st.rerun()
    st.progress(0.0, "The model looks at your picture. The first time, PyTorch has to be loaded.")


def _own() -> OwnPicture | None:
    look: OwnPicture | None = st.session_state.get(_OWN)
    return look


def _sent(name: str) -> Any:
    return getattr(st.session_state.get(KEY), name, None)


def _follow(name: str, **changes: Any) -> bool:
    """Take over the view of the browser; False if it is none, so not sent by our script."""
    try:
        st.session_state[_VIEW] = view.from_browser(_sent(name)["view"] | changes)
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _choose() -> None:
    if _follow("picture"):
        st.session_state.pop(_OWN, None)
        st.session_state.pop(_PROBLEM, None)


# While a visitor's picture is shown, the stored one that it replaces names the world.
def _receive() -> None:
    _follow("own", picture=current().picture)
    try:
        ask_about(own.decode(_sent("own")))
    except MaskaqError as error:
        st.session_state[_PROBLEM] = str(error)


def _want() -> None:
    look = _own()
    if look is not None and _follow("wanted", picture=current().picture):
        look.view = current()
