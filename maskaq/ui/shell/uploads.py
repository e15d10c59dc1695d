"""The controls for a visitor's own files, at the bottom of the sidebar."""

from __future__ import annotations

import streamlit as st

from maskaq.data.upload import ENDINGS, MEGABYTES
from maskaq.errors import DataError
from maskaq.ui.state.uploads import DATA, MAX_PATH, UPLOAD, WEIGHTS, path, uploaded
from maskaq.ui.widgets import query


def sidebar(disabled: bool = False) -> None:
    """Three controls in an expander at the bottom of the sidebar."""
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
            "memory of this server until you close the page.",
        )
        _refused()
        st.text_input(
            "File of weights",
            key=WEIGHTS,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/model.safetensors",
            help="Path on the computer that runs maskaq, for the model chosen above: safetensors, "
            "or a PyTorch state dict. Leave empty for the weights that ship with maskaq.",
        )
        st.text_input(
            "Folder of labelled images",
            key=DATA,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/images",
            help="Path on the computer that runs maskaq. It holds one folder for each class, "
            "named by the class index (0, 1, ...) or by the ImageNet synset.",
        )
        if not disabled:
            _check()
        st.caption("Your files are not part of the link.")


def _check() -> None:
    """Have a worker check the paths now rather than in the middle of a run."""
    state = st.session_state
    weights, folder = path(state.get(WEIGHTS)), path(state.get(DATA))
    if not (weights or folder):
        return
    question = {"model": state["model"], "weights": weights, "folder": folder}
    found = query.answer("inspect", tuple(question.values()), question, label="Check these files")
    if found is None:
        return
    words = f"{state['model']} takes {found['size']} pixels and has {found['classes']:,} classes."
    if folder:
        words += f" The folder has {found['images']:,} images of {found['labels']:,} classes."
    st.success(words, icon=":material/check:")


def _refused() -> None:
    """Say what is wrong with the uploaded file, next to its control."""
    try:
        picture = uploaded()
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    if picture is not None:
        height, width = picture.pixels.shape[:2]
        st.caption(f"Used instead of the scene: {picture.name}, {width} x {height} pixels.")
