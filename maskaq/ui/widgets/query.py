"""A question that a worker answers in seconds: asked once the visitor wants it, and waited for.

An answer stays in the session of the visitor who asked, since it may be about that visitor's own
files.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any

import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.jobs import service

_ANSWERS = "_answers"  # in the session: question -> future and when it was asked, latest last
_WANTED = "_wanted"  # in the session: what this visitor has had computed, by function
_PLAIN = (
    "query",
    "method",
    "weight_bits",
    "activation_bits",
)  # arguments that the subject leaves open
_KEPT = 16  # answers
_POLL = 0.4  # seconds


def answer(
    name: str, subject: tuple[object, ...], question: dict[str, Any], *, label: str = "Compute"
) -> Any:
    """The answer of `maskaq.queries.table` to a question; None as long as there is none.

    Draws what is missing: the button, the wait, or what went wrong.

    Args:
        name: of the function. question: its arguments.
        subject: what it is about: one press of the button is enough for all questions about it.
        label: of the button.
    """
    wanted: set[object] = st.session_state.setdefault(_WANTED, set())
    known: dict[object, tuple[Future[Any], float]] = st.session_state.setdefault(_ANSWERS, {})
    if (name, subject) not in wanted:
        _offer(name, label, lambda: wanted.add((name, subject)))
        return None
    key = (name, subject, *(question.get(part) for part in _PLAIN))
    try:
        asked = known.pop(key, None) or (service.quick(name, **question), time.monotonic())
        known[key] = asked
        for old in list(known)[:-_KEPT]:
            known.pop(old)[0].cancel()
        if asked[0].done():
            return asked[0].result()
        st.fragment(_wait, run_every=_POLL)(*asked)
    except (MaskaqError, CancelledError) as error:  # it must be asked again, by hand
        known.pop(key, None)
        wanted.discard((name, subject))
        st.error(str(error) or "The answer was lost.", icon=":material/error:")
        st.button("Try again", on_click=lambda: wanted.add((name, subject)), key=f"again_{name}")
    return None


def _offer(name: str, label: str, want: Callable[[], None]) -> None:
    off = service.readonly()
    if not off:
        st.caption("Takes a few seconds; the first time some more, because PyTorch is loaded.")
    st.button(label, type="primary", key=f"compute_{name}", on_click=want, disabled=off)


def _wait(future: Future[Any], asked: float) -> None:
    if future.done():
        st.rerun()
    seconds = time.monotonic() - asked
    st.progress(0.0, f"Computing, {seconds:.0f} s so far. The first answer loads PyTorch.")
