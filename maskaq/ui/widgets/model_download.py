"""The download of a timm model's weights, which a visitor starts before a worker is asked about it.

The download belongs to the server: all visitors see the same one.
"""

import os
from contextlib import suppress

import streamlit as st

from maskaq.config.parsing import duration
from maskaq.errors import RunError
from maskaq.jobs import downloads, service
from maskaq.models import download
from maskaq.models.download import HubFile
from maskaq.models.menu import SHIPPED, transformers_place
from maskaq.ui.widgets import show

_POLL = 0.5  # seconds
_OTHERWISE = "Or enter the path of a weights file under *Your own* in the sidebar."


def ready(model: str, weights: str = "", *, key: str = "model") -> bool:
    """Whether a worker can load a model: its weights are bundled, given or downloaded.

    Otherwise, shows what the download is, and the button, the progress or the error; or how to get
    a model of transformers onto this server.

    Args:
        weights: the visitor's file, or "". key: prefix of the keys of the buttons, one per place.
    """
    if weights or model in SHIPPED or os.environ.get("MASKAQ_SCHEDULER"):
        return True  # workers of another scheduler may have a cache of their own
    if place := transformers_place(model):
        return _here(place)
    file = download.find(model)
    if file is None:
        st.info(
            f"timm has no pretrained classifier {model}. Enter the path of a weights file under "
            "*Your own* in the sidebar."
        )
        return False
    if download.cached(file) is not None and not downloads.running(file):
        return True
    if service.readonly():
        st.info(
            f"The weights of {model} are not on this server, and it cannot download them: it shows "
            "stored results only (MASKAQ_READONLY=1)."
        )
        return False
    _panel(file, key)
    return False


def _here(place: str) -> bool:
    """Whether a model of transformers is on this server; otherwise, says what to do."""
    if os.path.isdir(place):
        return True
    with suppress(ValueError):  # no name of a repository
        if download.cached(HubFile(place, place)) is not None:
            return True
    st.info(
        f"{show.plain(place)} is not a folder on this server, and no repository of that name is in "
        "the cache of the model hub's client. Run `hf download REPOSITORY --local-dir FOLDER` on "
        "the server, and enter FOLDER."
    )
    return False


def _panel(file: HubFile, key: str) -> None:
    state = downloads.look(file)
    if state.active:
        st.fragment(_wait, run_every=_POLL)(file, key)
        return
    if state.error:
        st.error(state.error, icon=":material/error:")
    elif state.name == "cancelled":
        st.info("The download was cancelled.", icon=":material/cancel:")
    else:
        st.info(f"{file.model} needs timm's pretrained weights, which are not on this server yet.")
    label = f"Download {file.model} ({megabytes(state.total)})" if state.total else "Try again"
    if st.button(label, type=show.main_button(), key=f"download_{key}"):
        _start(file)
    st.caption(_OTHERWISE)


def _start(file: HubFile) -> None:
    try:
        downloads.start(file)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
    else:
        st.rerun()


def _wait(file: HubFile, key: str) -> None:
    state = downloads.look(file)
    if not state.active:
        st.rerun()
    if state.name == "asking":
        st.progress(0.0, f"Asking the model hub for the size of {file.model}.")
        return
    done = f"{megabytes(state.done)} of {megabytes(state.total)}"
    left = "" if state.left is None else f", about {duration(state.left)} left"
    st.progress(state.share, f"Downloading {file.model}: {done}, {state.share:.0%}{left}.")
    st.button(
        "Cancel the download", key=f"download_{key}_cancel", on_click=downloads.cancel, args=(file,)
    )


def megabytes(count: int) -> str:
    """A number of bytes, such as `22.9 MB`."""
    return f"{count / 1e6:,.1f} MB"
