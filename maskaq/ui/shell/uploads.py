"""The controls for a visitor's own files, at the bottom of the sidebar."""

import streamlit as st

from maskaq.data.upload import ENDINGS, MEGABYTES
from maskaq.errors import DataError
from maskaq.ui.state.uploads import DATA, MAX_PATH, UPLOAD, WEIGHTS, path, uploaded
from maskaq.ui.widgets import query


def sidebar(disabled: bool = False) -> None:
    """Three controls in an expander at the bottom of the sidebar."""
    with st.expander("Your own", icon=":material/folder_open:"):
        if disabled:
            st.info("This demo shows stored results only, so you cannot use your own files.")
        st.file_uploader(
            "A picture",
            type=list(ENDINGS),
            key=UPLOAD,
            max_upload_size=MEGABYTES,
            disabled=disabled,
            help=f"PNG, JPEG or WebP, up to {MEGABYTES} MB and 16 million pixels. It is kept in "
            "memory on this server until you close the page.",
        )
        _picture()
        st.text_input(
            "Weights file",
            key=WEIGHTS,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/model.safetensors",
            help="Path on the computer that runs maskaq, for the model chosen above: a safetensors "
            "file, a PyTorch state dict, the index of several files, or their folder. Leave empty "
            "to use the bundled or pretrained weights.",
        )
        st.text_input(
            "Folder of labelled images",
            key=DATA,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/images",
            help="Path on the computer that runs maskaq. It contains one folder per class, named "
            "by the class index (0, 1, ...) or by the ImageNet synset.",
        )
        if not disabled:
            _check()
        st.caption("Your files are not part of the link to this page.")


def _check() -> None:
    """Let a worker check the paths now, rather than in the middle of a run."""
    state = st.session_state
    weights, folder = path(state.get(WEIGHTS)), path(state.get(DATA))
    if not (weights or folder):
        return
    question = {"model": state["model"], "weights": weights, "folder": folder}
    info = query.answer("inspect", tuple(question.values()), question, label="Check these files")
    if info is None:
        return
    text = f"{state['model']} takes {info['size']} pixels and has {info['classes']:,} classes."
    if folder:
        text += f" The folder has {info['images']:,} images of {info['labels']:,} classes."
    st.success(text, icon=":material/check:")
    for note in info["notes"]:
        st.caption(f"Note: {note}.")


def _picture() -> None:
    """Describe the uploaded picture, or show why it was refused, next to its control."""
    try:
        picture = uploaded()
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    if picture is not None:
        height, width = picture.pixels.shape[:2]
        st.caption(f"Used instead of the scene: {picture.name}, {width} x {height} pixels.")
