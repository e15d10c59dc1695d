"""Queries that a worker answers in seconds, submitted when the visitor presses a button.

Answers are cached in the visitor's session, since they may depend on the visitor's own files.
"""

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, wait
from typing import Any

import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.jobs import service
from maskaq.models.menu import BUNDLED
from maskaq.ui.widgets import model_download, show

_ANSWERS = "_answers"  # in the session: query -> future and time of its submission, latest last
_REQUESTED = "_wanted"  # in the session: functions and subjects for which a button was pressed
# Arguments that are not part of the subject.
_VARYING = ("query", "method", "weight_bits", "activation_bits", "away", "fill")
_CACHED = 16  # answers per session
_POLL = 0.4  # seconds


def answer(
    name: str,
    subject: tuple[object, ...],
    question: dict[str, Any],
    *,
    label: str = "Compute",
    patience: float = 0.0,
    expected: int = 0,
) -> Any:
    """The answer of a function of `maskaq.queries.table`; None until it is available.

    Until then, draws the button, the waiting time or the error. A question about a model whose
    weights are not on this server comes after their download.

    Args:
        name: name of the function. question: its arguments; model and weights name the model.
        subject: what the query is about; the button is pressed once for all queries about it.
        label: label of the button.
        patience: seconds to wait for a quick answer, before anything is drawn in its place.
        expected: seconds that the answer takes on two cores, once PyTorch is loaded; 0: a few.
    """
    model, weights = question.get("model", BUNDLED), question.get("weights", "")
    if not model_download.ready(model, weights, key=name):
        return None
    wanted = _requested()
    answers: dict[object, tuple[Future[Any], float]] = st.session_state.setdefault(_ANSWERS, {})
    if (name, subject) not in wanted:
        _button(name, label, lambda: wanted.add((name, subject)), expected)
        return None
    key = (name, subject, *(question.get(part) for part in _VARYING))
    try:
        entry = answers.pop(key, None) or (service.quick(name, **question), time.monotonic())
        answers[key] = entry
        for old in list(answers)[:-_CACHED]:
            answers.pop(old)[0].cancel()
        if patience:
            wait([entry[0]], patience)
        if entry[0].done():
            return entry[0].result()
        st.fragment(_wait, run_every=_POLL)(*entry, expected)
    except (MaskaqError, CancelledError) as error:  # not retried automatically
        answers.pop(key, None)
        wanted.discard((name, subject))
        st.error(str(error) or "The computation was cancelled.", icon=":material/error:")
        st.button("Try again", on_click=lambda: wanted.add((name, subject)), key=f"again_{name}")
    return None


def request(name: str, subject: tuple[object, ...]) -> None:
    """Request the answers about a subject, as its button does; for callbacks of other controls."""
    _requested().add((name, subject))


def requested(name: str, subject: tuple[object, ...]) -> bool:
    """Whether the answers about a subject have been requested."""
    return (name, subject) in _requested()


def _requested() -> set[object]:
    wanted: set[object] = st.session_state.setdefault(_REQUESTED, set())
    return wanted


def _button(name: str, label: str, request: Callable[[], None], expected: int) -> None:
    off = service.readonly()
    if off:
        st.caption(f"Switched off: {service.READONLY}")
    else:
        seconds = f"about {expected}" if expected else "a few"
        st.caption(f"Takes {seconds} seconds, the first time a little longer, to load PyTorch.")
    st.button(label, type=show.main_button(), key=f"compute_{name}", on_click=request, disabled=off)


def _wait(future: Future[Any], submitted: float, expected: int) -> None:
    if future.done():
        st.rerun()
    seconds = time.monotonic() - submitted
    text = f"Computing for {seconds:.0f} s. The first time, PyTorch has to be loaded."
    if seconds < expected:
        text = f"Computing for {seconds:.0f} s of about {expected}."
    st.progress(min(seconds / expected, 0.99) if expected else 0.0, text)
