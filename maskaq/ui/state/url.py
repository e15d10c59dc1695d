"""URL parameters, checked: an invalid value is replaced by the default, with a notice.

Streamlit reads URL parameters into the widgets that are bound to them. It silently drops a value
that it cannot parse, and moves some values to the nearest allowed one. Here every value is checked
first, so that all invalid values are treated alike and the visitor is notified.
"""

import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import streamlit as st
from streamlit.errors import StreamlitAPIException

# Keys in the session.
_NOTICES = "_notices"  # parameter -> Notice, shown until dismissed or outdated
_REPORTED = "_reported"  # values already reported, which may still be in the URL
_NEW = "_refused_now"  # parameters refused in this rerun
_CORRECT = "_corrections"  # parameter -> value that the next rerun gives its widget
_DECLARED = "_known_parameters"  # names declared in this rerun
_EARLIER = "_earlier_parameters"  # names declared in any rerun: of a tab that was just left
_PLACE = "_notice_place"  # two containers at the top of the page: notices, dismiss button
_DRAWN = "_notices_drawn"  # whether this rerun has drawn the button, whose key is unique
_SELECTION = "_notice_selection"  # the shared selection to which the notices belong
_MAX_SHOWN = 80  # characters of a value in a notice
_MAX_REPORTED = 50  # refused values per session
_MAX_NAMES = 5  # unknown names listed in a notice; further ones are counted


@dataclass(frozen=True)
class Field:
    """One URL parameter.

    parse: reads its text, raises ValueError if that is invalid. allowed: the valid values in words.
    many: whether it may be repeated, for a list of values; a single empty value is an empty list.
    """

    parse: Callable[[str], object]
    allowed: str
    default: object
    many: bool = False


@dataclass(frozen=True)
class Notice:
    """An invalid value. default: the value used instead."""

    key: str
    value: str
    allowed: str
    default: object

    def __str__(self) -> str:
        shown = ", ".join(self.default) if isinstance(self.default, list) else self.default
        return (
            f"The link sets {self.key} = {shorten(self.value)}. Allowed: {self.allowed}. "
            f"This page uses {self.key} = {shown}."
        )


class Unknown(Notice):
    """Unknown names in the URL. value: the names, already safe to show."""

    def __str__(self) -> str:
        return f"The link contains unknown settings, which are ignored: {self.value}."


def one_of(options: Iterable[str], default: str, allowed: str = "") -> Field:
    """One of a fixed list of names. allowed: describes the list, by default enumerates it."""
    names = tuple(options)

    def parse(text: str) -> str:
        if text not in names:
            raise ValueError(text)
        return text

    return Field(parse, allowed or ", ".join(names), default)


def some_of(options: Iterable[str]) -> Field:
    """Any of a fixed list of names, by default all."""
    names = list(options)
    one = one_of(names, "")
    return Field(one.parse, f"any of {one.allowed}", names, many=True)


def whole(low: int, high: int, default: int) -> Field:
    """An integer from `low` to `high`."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:_MAX_SHOWN]) <= high:
            raise ValueError(text)
        return int(text)

    return Field(parse, f"{low} to {high}", default)


def stepped(low: float, high: float, step: float, default: float) -> Field:
    """A number from `low` to `high` that is an integer number of steps above `low`."""

    def parse(text: str) -> float:
        value = number(text)
        steps = (value - low) / step
        if not low <= value <= high or not math.isclose(steps, round(steps), abs_tol=1e-6):
            raise ValueError(text)
        return value

    return Field(parse, f"{low:g} to {high:g} in steps of {step:g}", default)


def number(text: str) -> float:
    """A number in ASCII digits; `float` also accepts digits of other scripts, and `1_0`."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


def begin() -> None:
    """Begin a rerun. The router calls this before any widget is drawn."""
    state = st.session_state
    for key, value in state.pop(_CORRECT, {}).items():
        state[key] = value
    state[_DECLARED], state[_NEW] = set(), set()
    state[_PLACE], state[_DRAWN] = None, False


def declare(**fields: Field) -> None:
    """Check these URL parameters.

    A page calls this before it draws the widgets that are bound to these parameters.
    """
    for known in (_DECLARED, _EARLIER):
        st.session_state.setdefault(known, set()).update(fields)
    bad = []
    for key, field in fields.items():
        texts = st.query_params.get_all(key)
        if texts and not _fits(field, texts):
            refuse(Notice(key, " and ".join(texts), field.allowed, field.default))
            bad.append(key)
    _remove(bad)
    _draw()


def keep(**fields: Field) -> None:
    """Keep the values of controls that this page does not draw, which Streamlit would forget."""
    for key, field in fields.items():
        text = st.query_params.get(key)
        first = field.default if text is None else field.parse(text)
        st.session_state[key] = st.session_state.get(key, first)


def refuse(notice: Notice) -> None:
    """Add a notice about an invalid value, unless that value was reported before."""
    state = st.session_state
    seen = state.setdefault(_REPORTED, set())
    if (notice.key, notice.value) in seen or len(seen) >= _MAX_REPORTED:
        return
    seen.add((notice.key, notice.value))
    state.setdefault(_NEW, set()).add(notice.key)
    state.setdefault(_NOTICES, {})[notice.key] = notice
    state[_SELECTION] = None


def settle(selection: object) -> None:
    """Draw the notices, unless the selection has changed. Called after the sidebar."""
    state = st.session_state
    if state.get(_SELECTION) is None:
        state[_SELECTION] = selection
    elif state[_SELECTION] != selection:
        state[_NOTICES] = {}
    state[_PLACE] = (st.empty(), st.empty())
    _draw()
    _correct()


def finish() -> None:
    """Add a notice about parameters that the page has not declared; the router's last call."""
    declared = st.session_state[_DECLARED] | st.session_state.get(_EARLIER, set())
    unknown = [name for name in st.query_params if name not in declared]
    if unknown:
        names = ", ".join(shorten(name) for name in unknown[:_MAX_NAMES])
        more = f" and {len(unknown) - _MAX_NAMES} more" if len(unknown) > _MAX_NAMES else ""
        refuse(Unknown("", names + more, "", None))
        _draw()
    _correct()


def stop() -> NoReturn:
    """Stop the page. Pages call this instead of `st.stop`, so that all notices are drawn."""
    finish()
    st.stop()


def shorten(text: str) -> str:
    """Untrusted text made safe to show: truncated, and without Markdown."""
    short = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."
    return "`" + short.replace("`", "'").replace("\n", " ") + "`"


def _fits(field: Field, texts: list[str]) -> bool:
    if field.many and texts == [""]:
        return True
    if len(texts) != 1 and not field.many:  # repeated, so the intended value is unclear
        return False
    try:
        if len({field.parse(text) for text in texts}) < len(texts):
            return False
    except ValueError:
        return False
    return True


def _remove(keys: Iterable[str]) -> None:
    """Remove invalid values from the URL before a widget reads it, and rerun the page.

    Streamlit raises an error for some values, such as 1e999 for an integer.
    """
    before = len(st.query_params)
    for key in keys:
        with suppress(StreamlitAPIException):  # a widget already has the key, see `_correct`
            del st.query_params[key]
    if len(st.query_params) < before:
        st.rerun()


def _correct() -> None:
    """Rerun the page if a widget shows a value other than the default in its notice.

    In the rerun in which a widget first appears, Streamlit prefers the value in the URL, moved to
    the nearest allowed one, to a value that the script assigns.
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
        state[_SELECTION] = None  # the selection changes, but the notices stay
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
