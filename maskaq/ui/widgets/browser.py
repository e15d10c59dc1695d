"""Components in the browser, from plain files: HTML, CSS and JavaScript, no build."""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_SHARED = Path(__file__).with_name("assets")


def mount(name: str, assets: Path, *, key: str, data: bytes, **callbacks: Any) -> Any:
    """Show a component. Returns what the browser sent in this rerun, as attributes.

    Args:
        name: of its file `NAME.html`.
        assets: its folder, with styles, and scripts that share one scope, in the order of their
            names.
        data: bytes that its script reads with `unpack`.
        callbacks: functions `on_VALUE_change` for each value that the browser sends.
    """
    html, css, script = _sources(name, assets)
    component = st.components.v2.component(f"maskaq_{name}", html=html, css=css, js=script)
    return component(key=key, data=data, **callbacks)


@cache
def _sources(name: str, assets: Path) -> tuple[str, str, str]:
    css, script = (
        "\n".join(
            path.read_text() for folder in (_SHARED, assets) for path in sorted(folder.glob(kind))
        )
        for kind in ("*.css", "*.js")
    )
    return (assets / f"{name}.html").read_text(), css, script
