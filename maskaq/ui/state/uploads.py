"""A visitor's own files: a picture, a model, a weights file, a folder of labelled images.

None of them is part of the URL, because a shared link must not give access to a visitor's files.
Paths are checked by a worker, not here.
"""

from dataclasses import dataclass
from functools import lru_cache

import streamlit as st

from maskaq.data.upload import Picture, read_picture
from maskaq.errors import DataError
from maskaq.models.menu import TRANSFORMERS
from maskaq.ui.state import pages, session

UPLOAD, WEIGHTS, DATA = "own_picture", "own_weights", "own_data"  # keys of the widgets
CLASS_NAMES, SKIP_UNREADABLE = "own_class_names", "own_skip_unreadable"
MODEL = "own_model"
MAX_PATH = 1000  # characters


@dataclass(frozen=True)
class Own:
    """The visitor's files.

    picture: None if absent. weights, data, class_names: paths, "" if absent. skip_unreadable: leave
    out images of the folder that cannot be read. model: the name of a model of transformers, which
    replaces the one of the menu where runs are set up; "" if absent.
    """

    picture: Picture | None = None
    weights: str = ""
    data: str = ""
    class_names: str = ""
    skip_unreadable: bool = False
    model: str = ""


def current() -> Own:
    """The visitor's files; an invalid picture counts as absent."""
    state = st.session_state
    try:
        picture = uploaded()
    except DataError:
        picture = None
    weights, data, names = (path(state.get(key)) for key in (WEIGHTS, DATA, CLASS_NAMES))
    skip, model = bool(data and state.get(SKIP_UNREADABLE)), own_model()
    return Own(picture, "" if model else weights, data, names, skip, model)


def own_model() -> str:
    """The name of the visitor's model, "" without one or where no run is set up."""
    state = st.session_state
    # The control keeps its text on pages that do not draw it.
    here = any(spec.runs and spec.file == state.get(session.PAGE) for spec in pages.PAGES)
    place = path(state.get(MODEL)).removeprefix(TRANSFORMERS) if here else ""
    return TRANSFORMERS + place if place else ""


def uploaded() -> Picture | None:
    """The uploaded picture, None if absent.

    Raises:
        DataError: the file is not a picture, or is too large.
    """
    file = st.session_state.get(UPLOAD)
    return None if file is None else _read(file.name, file.getvalue())


# Each rerun of the page calls this, and decoding takes up to 0.25 s.
@lru_cache(maxsize=8)
def _read(name: str, data: bytes) -> Picture:
    return read_picture(name, data)


def path(text: str | None) -> str:
    """A typed path, truncated and without surrounding spaces."""
    return (text or "").strip()[:MAX_PATH]
