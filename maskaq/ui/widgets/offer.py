"""Buttons that set controls to values for which something is stored."""

from collections.abc import Iterable, Mapping
from functools import partial

import streamlit as st

from maskaq.config.parsing import parse_bits
from maskaq.models.menu import BUNDLED


def settings(line: str, offered: Mapping[str, Mapping[str, object]], key: str) -> None:
    """Say why nothing is shown, with a button for each of the settings that have something.

    Args:
        line: the reason. offered: by label of the button, the values of controls by their keys.
        key: prefix of the keys of the buttons, unique on the page.
    """
    st.info(f"{line} Choose what is stored:")
    with st.container(horizontal=True):
        for label, values in offered.items():
            st.button(label, key=f"offer_{key}_{label}", on_click=partial(_set, values))


def bits(line: str, names: Iterable[str], key: str) -> None:
    """`settings` for bit widths such as W4A4."""
    pairs = {name: parse_bits(name) for name in names}
    settings(
        line,
        {name: {"weight_bits": w, "activation_bits": a} for name, (w, a) in pairs.items()},
        key,
    )


def model(line: str, key: str) -> None:
    """`settings` for the bundled model."""
    settings(line, {BUNDLED: {"model": BUNDLED}}, key)


def _set(values: Mapping[str, object]) -> None:
    for name, value in values.items():
        st.session_state[name] = value
