"""Buttons that set controls to values for which something is stored."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import streamlit as st

from maskaq.config.parsing import parse_bits
from maskaq.models.menu import BUNDLED
from maskaq.ui.state import selection


def settings(line: str, offered: Mapping[str, Mapping[str, object]], key: str) -> None:
    """Say why nothing is shown, with a button for each of the settings that have something.

    Args:
        line: the reason. offered: by label of the button, the values of controls by their keys.
        key: prefix of the keys of the buttons, unique on the page.
    """
    st.info(f"{line} Choose what is stored:")
    with st.container(horizontal=True):
        for label, values in offered.items():
            _button(label, key, partial(_set, values))


def bits(line: str, names: Iterable[str], key: str) -> None:
    """`settings` for bit widths such as W4A4."""
    st.info(f"{line} Choose what is stored:")
    with st.container(horizontal=True):
        pairs(names, key)


def pairs(names: Iterable[str], key: str) -> None:
    """A button for each of some bit widths such as W4A4, which chooses them; most bits first."""
    for name in sorted(set(names), key=parse_bits, reverse=True):
        _button(name, key, partial(selection.set_bits, *parse_bits(name)))


def _button(label: str, key: str, act: Callable[[], None]) -> None:
    st.button(label, key=f"offer_{key}_{label}", on_click=act)


def model(line: str, key: str) -> None:
    """`settings` for the bundled model."""
    settings(line, {BUNDLED: {"model": BUNDLED}}, key)


def _set(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        st.session_state[name] = value
