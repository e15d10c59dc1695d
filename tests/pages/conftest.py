"""What every test of a page needs: one shipped example, no runs, a fake cluster, empty caches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from maskaq.ui import catalog, library
from tests import fake_cluster, stored

ROOT = Path(__file__).parents[2]
SOON = 60  # seconds after which a test has failed

OpenPage: TypeAlias = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One shipped example (W4A4, default settings) and an empty folder for runs."""
    stored.write(tmp_path / "examples" / "a")
    monkeypatch.setattr(library, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MASKAQ_READONLY", raising=False)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> fake_cluster.FakeCluster:
    """Runs that move when the test says so."""
    return fake_cluster.install(monkeypatch)


@pytest.fixture
def open_page() -> OpenPage:
    """Opens a page as a visitor with a link would: `open_page(catalog.QUANTIZE, seed="5")`."""
    return _open


def _open(spec: catalog.PageSpec, **params: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=SOON)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    if spec is not catalog.PAGES[0]:
        app.switch_page(spec.file).run()
    return app


@pytest.fixture
def text() -> Callable[[AppTest], str]:
    """All words that a page shows."""
    return _text


def _text(app: AppTest) -> str:
    kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.fixture
def press() -> Callable[[AppTest, str], AppTest]:
    """Presses the one enabled button of that label."""
    return _press


def _press(app: AppTest, label: str) -> AppTest:
    (button,) = (button for button in app.button if button.label == label)
    assert not button.disabled
    return button.click().run()
