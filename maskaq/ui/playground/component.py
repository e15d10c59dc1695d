"""The component in the browser, from the files in `assets/`: HTML, CSS and JavaScript, no build."""

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

_ASSETS = Path(__file__).with_name("assets")


def mount(data: bytes, *, key: str, **callbacks: Any) -> Any:
    """Show the component.

    Args:
        data: from `maskaq.ui.playground.message`.
        callbacks: functions `on_NAME_change` for each value that the browser sends: picture, own,
            wanted, warm, camera and go.
    """
    html, css, script = _sources()
    component = st.components.v2.component("maskaq_playground", html=html, css=css, js=script)
    return component(key=key, data=data, **callbacks)


@cache
def _sources() -> tuple[str, str, str]:
    """HTML, CSS and the scripts, which share one scope, in the order of their numbers."""
    scripts = [path.read_text() for path in sorted(_ASSETS.glob("*.js"))]
    html, css = ((_ASSETS / f"playground.{kind}").read_text() for kind in ("html", "css"))
    return html, css, "\n".join(scripts)
