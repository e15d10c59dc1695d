"""The controls for a visitor's own files, at the bottom of the sidebar."""

from os.path import join

import streamlit as st

from maskaq.config.components import TASKS
from maskaq.data.upload import ENDINGS, MEGABYTES
from maskaq.errors import DataError
from maskaq.files import stamp
from maskaq.models.menu import transformers_place
from maskaq.ui.state.uploads import (
    CLASS_NAMES,
    DATA,
    MAX_PATH,
    MODEL,
    SKIP_UNREADABLE,
    UPLOAD,
    WEIGHTS,
    current,
    own_model,
    uploaded,
)
from maskaq.ui.widgets import query, show


def sidebar(*, runs: bool, disabled: bool = False) -> None:
    """The controls in an expander at the bottom of the sidebar.

    runs: whether runs are set up on this page, which may also be runs of a model of transformers.
    """
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
        if runs:
            st.text_input(
                "Model of transformers",
                key=MODEL,
                max_chars=MAX_PATH,
                persist_state="session",  # other pages do not draw it
                disabled=disabled,
                placeholder="/path/to/segformer",
                help="For segmentation or detection: SegFormer, UPerNet, DPT or YOLOS, as a folder "
                "that `save_pretrained` has written on the computer that runs maskaq, or as the "
                "name of a repository in its cache of the model hub. It replaces Model P and needs "
                "a folder of images below. The back-ends `tails` and `lsq-kd` fit all of them.",
            )
        st.text_input(
            "Weights file",
            key=WEIGHTS,
            max_chars=MAX_PATH,
            disabled=disabled or bool(own_model()),
            placeholder="/path/to/model.safetensors",
            help="Path on the computer that runs maskaq, for Model P: a safetensors file, a "
            "PyTorch state dict, the index of several files, or their folder. Leave empty "
            "to use the bundled or pretrained weights.",
        )
        st.text_input(
            "Folder of labelled images",
            key=DATA,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/images",
            help="Path on the computer that runs maskaq. For classification it contains one folder "
            "per class, named by the class index (0, 1, ...), by its name or by the ImageNet "
            "synset; tables of labels (CSV) and Parquet files are read, too. For segmentation it "
            "contains images and class maps as in ADE20K, for detection images and a JSON file as "
            "in COCO.",
        )
        st.checkbox(
            "Leave out unreadable images",
            key=SKIP_UNREADABLE,
            disabled=disabled,
            help="Otherwise, an image of the folder that cannot be read ends a run with an error. "
            "How many were left out is part of the result.",
        )
        st.text_input(
            "Class names",
            key=CLASS_NAMES,
            max_chars=MAX_PATH,
            disabled=disabled,
            placeholder="/path/to/classes.txt",
            help="Path of a file with one class name a line, in the order of the model's outputs, "
            "or of a JSON list. Leave empty to use the names that belong to the model.",
        )
        if not disabled:
            _check()
        st.caption("Your files are not part of the link to this page.")


def _check() -> None:
    """Let a worker check the paths now, rather than in the middle of a run."""
    own = current()
    paths = {"weights": own.weights, "folder": own.data, "class_names": own.class_names}
    if not (own.model or any(paths.values())):
        return
    name = own.model or st.session_state["model"]
    question = {"model": name, "skip_unreadable": own.skip_unreadable} | paths
    config = join(transformers_place(name), "config.json") if own.model else ""
    # Files that were written again are checked again.
    subject = (*question.values(), *map(stamp, (*paths.values(), config)))
    info = query.answer("inspect", subject, question, label="Check these files")
    if info is None:
        return
    kind = f", for {info['task']}," if TASKS[info["task"]].dense else ""
    text = (
        f"{show.plain(name)}{kind} takes {info['size']} pixels and has {info['classes']:,} classes."
    )
    if paths["folder"]:
        of = f" of {info['labels']:,} classes" if info["labels"] else ""
        text += f" The folder has {info['images']:,} images{of}."
    st.success(text, icon=":material/check:")
    show.notes(info["notes"])


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
        show.notes(picture.notes)
