"""What a visitor brings: a picture, a file with weights, a folder of labelled images.

None of it is part of the address: a link must not carry other people's files. Paths are looked at
by a worker, which says what is wrong with them; here they are only passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import streamlit as st

from maskaq.data.upload import ENDINGS, MEGABYTES, Picture, read_picture
from maskaq.errors import DataError
from maskaq.ui.widgets import query

UPLOAD, WEIGHTS, DATA = "own_picture", "own_weights", "own_data"  # keys of the widgets
_PATH = 1000  # characters


@dataclass(frozen=True)
class Own:
    """What the visitor brought. picture: None without one. weights, data: paths, "" for none."""

    picture: Picture | None = None
    weights: str = ""
    data: str = ""


def sidebar(disabled: bool = False) -> None:
    """The three controls, in an expander at the foot of the sidebar."""
    with st.expander("Your own", icon=":material/folder_open:"):
        if disabled:
            st.info("This demo shows stored results only, so it takes no files.")
        st.file_uploader(
            "A picture",
            type=list(ENDINGS),
            key=UPLOAD,
            max_upload_size=MEGABYTES,
            disabled=disabled,
            help=f"PNG, JPEG or WebP, up to {MEGABYTES} MB and 16 million pixels. It stays in the "
            "memory of this server and goes when you close the page.",
        )
        _refusal()
        st.text_input(
            "File with weights",
            key=WEIGHTS,
            max_chars=_PATH,
            disabled=disabled,
            placeholder="/path/to/model.safetensors",
            help="Path on the computer that runs maskaq, for the model chosen above: safetensors, "
            "or a PyTorch state dict. Empty takes the weights that ship with maskaq.",
        )
        st.text_input(
            "Folder of labelled images",
            key=DATA,
            max_chars=_PATH,
            disabled=disabled,
            placeholder="/path/to/images",
            help="Path on the computer that runs maskaq. It holds one folder for each class, "
            "named by the class index (0, 1, ...) or by the ImageNet synset.",
        )
        if not disabled:
            _check()
        st.caption("Your files are not part of the link.")


def current() -> Own:
    """What was brought; a picture that was refused counts as none."""
    state = st.session_state
    try:
        picture = _uploaded()
    except DataError:
        picture = None
    return Own(picture, _path(state.get(WEIGHTS)), _path(state.get(DATA)))


def _check() -> None:
    """Let a worker look at the paths now, not in the middle of a run."""
    state = st.session_state
    weights, folder = _path(state.get(WEIGHTS)), _path(state.get(DATA))
    if not (weights or folder):
        return
    question = {"model": state["model"], "weights": weights, "folder": folder}
    found = query.answer(
        "inspect", tuple(question.values()), question, label="Check whether they can be used"
    )
    if found is None:
        return
    words = f"{state['model']} takes {found['size']} pixels and tells {found['classes']:,} classes."
    if folder:
        words += f" The folder has {found['images']:,} images of {found['labels']:,} classes."
    st.success(words, icon=":material/check:")


def _refusal() -> None:
    """Say what is wrong with the uploaded file, beside the place where it was given."""
    try:
        picture = _uploaded()
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    if picture is not None:
        height, width = picture.pixels.shape[:2]
        st.caption(f"In use in place of the scene: {picture.name}, {width} x {height} pixels.")


def _uploaded() -> Picture | None:
    file = st.session_state.get(UPLOAD)
    return None if file is None else _read(file.name, file.getvalue())


# Every run of the script asks again; decoding takes up to a quarter of a second.
@lru_cache(maxsize=8)
def _read(name: str, data: bytes) -> Picture:
    return read_picture(name, data)


def _path(text: str | None) -> str:
    return (text or "").strip()[:_PATH]
