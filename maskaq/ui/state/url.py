"""What the address asks for, checked: a value that is not allowed becomes the default, said aloud.

Streamlit reads the address into the widgets that are bound to it and drops in silence what it does
not understand; some values it moves to the nearest allowed one. Here every value is looked at
first, so that each of them is treated alike and the visitor learns of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

# Keys in the session.
_NOTICES = "_notices"  # parameter -> Notice, shown until dismissed or outdated
_REPORTED = "_reported"  # values already complained about, which the address may still hold
_NEW = "_refused_now"  # parameters refused in this run
_CORRECT = "_corrections"  # parameter -> value that the next run gives its widget
_KNOWN = "_known_parameters"  # names that this run has declared
_PLACE = "_notice_place"  # two places at the top of the page: for the notices, for their button
_DRAWN = "_notices_drawn"  # in this run: a key may be drawn once
_SELECTION = "_notice_selection"  # the shared selection for which the notices were written
_ECHO = 80  # characters of a value that are shown again
_REMEMBERED = 50  # refused values of one session
_MANY = 5  # unknown names listed at most, with the number of the others


@dataclass(frozen=True)
class Field:
    """One parameter: how its text is read, what is allowed in words, and what it is otherwise.

    many: it may be given several times, for a list of values; once and empty means none of them.
    """

    parse: Callable[[str], object]
    allowed: str
    default: object
    many: bool = False


@dataclass(frozen=True)
class Notice:
    """A value that was refused. default: what is used instead."""

    key: str
    value: str
    allowed: str
    default: object

    def __str__(self) -> str:
        shown = ", ".join(self.default) if isinstance(self.default, list) else self.default
        return (
            f"The address says {self.key} = {shorten(self.value)}. Allowed: {self.allowed}. "
            f"Shown is {self.key} = {shown}."
        )


class Unknown(Notice):
    """Names in the address that are no settings. value: the names, already fit to be shown."""

    def __str__(self) -> str:
        return f"The address holds what is no setting of this page: {self.value}."


def one_of(options: Iterable[str], default: str, allowed: str = "") -> Field:
    """A name from a closed list. allowed: the list in words, where it is long."""
    names = tuple(options)

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return Field(parse, allowed or ", ".join(names), default)


def some_of(options: Iterable[str]) -> Field:
    """Any of the names of a closed list, by default all."""
    names = list(options)
    one = one_of(names, "")
    return Field(one.parse, f"any of {one.allowed}", names, many=True)


def whole(low: int, high: int, default: int) -> Field:
    """A whole number from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:_ECHO]) <= high:
            raise ValueError(text)
        return int(text)

    return Field(parse, f"{low} to {high}", default)


def stepped(low: float, high: float, step: float, default: float) -> Field:
    """A number from `low` to `high` that is a whole number of steps from `low`."""

    def parse(text: str) -> float:
        value = number(text)
        steps = (value - low) / step
        if not low <= value <= high or not math.isclose(steps, round(steps), abs_tol=1e-6):
            raise ValueError(text)
        return value

    return Field(parse, f"{low:g} to {high:g} in steps of {step:g}", default)


def number(text: str) -> float:
    """A number in plain digits; Python alone takes those of every script, and `1_0`."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def begin() -> None:
    """Begin a run; the router's first call, before any widget."""
    state = st.session_state
    for key, value in state.pop(_CORRECT, {}).items():
        state[key] = value
    state[_KNOWN], state[_NEW] = set(), set()
    state[_PLACE], state[_DRAWN] = None, False


def declare(**fields: Field) -> None:
    """Check what the address says of these parameters.

    A page calls this before it draws the widgets that are bound to the address under these keys.
    """
    st.session_state.setdefault(_KNOWN, set()).update(fields)
    bad = []
    for key, field in fields.items():
        texts = st.query_params.get_all(key)
        if texts and not _fits(field, texts):
            refuse(Notice(key, " and ".join(texts), field.allowed, field.default))
            bad.append(key)
    _take_out(bad)
    _draw()


def refuse(notice: Notice) -> None:
    """Note a refused value, once."""
    state = st.session_state
    seen = state.setdefault(_REPORTED, set())
    if (notice.key, notice.value) in seen or len(seen) >= _REMEMBERED:
        return
    seen.add((notice.key, notice.value))
    state.setdefault(_NEW, set()).add(notice.key)
    state.setdefault(_NOTICES, {})[notice.key] = notice
    state[_SELECTION] = None


def settle(selection: object) -> None:
    """Draw the notices, unless they belong to another selection; called after the sidebar."""
    state = st.session_state
    if state.get(_SELECTION) is None:
        state[_SELECTION] = selection
    elif state[_SELECTION] != selection:
        state[_NOTICES] = {}
    state[_PLACE] = (st.empty(), st.empty())
    _draw()
    _correct()


def finish() -> None:
    """Note parameters that nothing on this page knows; the router's last call."""
    known = st.session_state[_KNOWN]
    unknown = [name for name in st.query_params if name not in known]
    if unknown:
        names = ", ".join(shorten(name) for name in unknown[:_MANY])
        more = f" and {len(unknown) - _MANY} more" if len(unknown) > _MANY else ""
        refuse(Unknown("", names + more, "", None))
        _draw()
    _correct()


def stop() -> NoReturn:
    """End the page here. Pages call this instead of `st.stop`, after which nothing is drawn."""
    finish()
    st.stop()


def shorten(text: str) -> str:
    """Text of a stranger in a form that is safe to show: short, and plain in Markdown."""
    short = text if len(text) <= _ECHO else f"{text[:_ECHO]}..."
    return "`" + short.replace("`", "'").replace("\n", " ") + "`"


def _fits(field: Field, texts: list[str]) -> bool:
    if field.many and texts == [""]:
        return True
    if len(texts) != 1 and not field.many:  # given twice: neither can be meant
        return False
    try:
        if len({field.parse(text) for text in texts}) < len(texts):
            return False
    except ValueError:
        return False
    return True


def _take_out(keys: Iterable[str]) -> None:
    """Take refused values out of the address before a widget reads it, and begin the run anew.

    Streamlit fails on some values: on 1e999 where a whole number belongs.
    """
    before = len(st.query_params)
    for key in keys:
        with suppress(StreamlitAPIException):  # a widget has the key already: see `_correct`
            del st.query_params[key]
    if len(st.query_params) < before:
        st.rerun()


def _correct() -> None:
    """Run again where a widget shows another value than its notice says.

    Streamlit prefers the value in the address, moved to the nearest allowed one, to a value that
    the script assigns; but only in the run in which the widget appears.
    """
    state = st.session_state
    notices = {key: state[_NOTICES][key] for key in state[_NEW] if key}
    wrong = {
        key: notice.default
        for key, notice in notices.items()
        if key in state and state[key] != notice.default
    }
    if wrong:
        state[_CORRECT] = wrong
        state[_SELECTION] = None  # the selection changes now, and the notices stay
        st.rerun()


def _draw() -> None:
    state = st.session_state
    notices = state.get(_NOTICES)
    if state.get(_PLACE) is None or not notices:
        return
    words, button = state[_PLACE]
    words.warning("\n\n".join(map(str, notices.values())), icon=":material/link_off:")
    if not state[_DRAWN]:
        state[_DRAWN] = True
        button.button("Close this notice", key="_dismiss", on_click=_dismiss)


def _dismiss() -> None:
    st.session_state[_NOTICES] = {}
