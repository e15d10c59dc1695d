"""Every test of a page gets one shipped example, no runs, a fake cluster and empty caches."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from maskaq.config.parsing import parse_bits
from maskaq.precomputed import accuracy_table
from maskaq.ui.state import pages, stored_runs
from tests.support import fake_cluster, model_hub, stored
from tests.support.app_test import one_scan_for_components  # noqa: F401  # a fixture

ROOT = Path(__file__).parents[2]
SHIPPED = stored_runs.EXAMPLES
SOON = 60  # seconds after which a test has failed

OpenPage: TypeAlias = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One shipped example (W4A4, default settings), no runs, no stored table, no network."""
    stored.write(tmp_path / "examples" / "a")
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setattr(accuracy_table, "FILE", tmp_path / "accuracy.json")
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MASKAQ_READONLY", raising=False)
    model_hub.use(monkeypatch, tmp_path)
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs that really ship, in place of the made-up example."""
    monkeypatch.setattr(stored_runs, "EXAMPLES", SHIPPED)


@pytest.fixture(autouse=True)
def cluster(monkeypatch: pytest.MonkeyPatch) -> fake_cluster.FakeCluster:
    """Runs that move when the test says so."""
    return fake_cluster.install(monkeypatch)


@pytest.fixture
def open_page() -> OpenPage:
    """Open a page by its address, with settings: `open_page(pages.QUANTIZE, seed="5")`."""
    return _open


def _open(spec: pages.PageSpec, **params: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=SOON)
    for name, value in params.items():
        app.query_params[name] = value
    if spec is not pages.PAGES[0]:
        app.switch_page(spec.file)
    return app.run()


@pytest.fixture
def set_bits() -> Callable[[AppTest, str], AppTest]:
    """Move the two sliders to bit widths such as W4A4."""
    return _set_bits


def _set_bits(app: AppTest, bits: str) -> AppTest:
    weights, activations = parse_bits(bits)
    app.slider(key="weight_bits").set_value(weights)
    return app.slider(key="activation_bits").set_value(activations).run()


@pytest.fixture
def text() -> Callable[[AppTest], str]:
    """All words that a page shows."""
    return _text


def _text(app: AppTest) -> str:
    kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.fixture
def charts_and_words() -> Callable[[AppTest], str]:
    """All words and all figures of a page, but not its buttons; figures as they are sent."""

    def read(app: AppTest) -> str:
        charts = [f"{chart.proto.spec}\n{chart.proto.alt}" for chart in app.get("plotly_chart")]
        return "\n".join([_text(app), *charts])

    return read


@pytest.fixture
def press() -> Callable[[AppTest, str], AppTest]:
    """Presses the one enabled button of that label."""
    return _press


def _press(app: AppTest, label: str) -> AppTest:
    (button,) = (button for button in app.button if button.label == label)
    assert not button.disabled
    return button.click().run()


Drawn: TypeAlias = Callable[[AppTest, str], dict[str, Any]]


@pytest.fixture
def drawn() -> Drawn:
    """The figure whose title holds a text: a dict as plotly has it, with arrays decoded."""
    return _drawn


def _drawn(app: AppTest, title: str) -> dict[str, Any]:
    specs = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    found = [spec for spec in specs if title in spec["layout"]["title"]["text"]]
    (one,) = found or [{"titles": [spec["layout"]["title"]["text"] for spec in specs]}]
    assert "titles" not in one, f"{title!r} is not among {one['titles']}"
    decoded: dict[str, Any] = _decode(one)
    return decoded


def _decode(node: Any) -> Any:
    if isinstance(node, list):
        return [_decode(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "bdata" not in node:
        return {name: _decode(item) for name, item in node.items()}
    array = np.frombuffer(base64.b64decode(node["bdata"]), np.dtype(node["dtype"]))
    shape = str(node.get("shape", array.size)).split(",")
    return array.reshape([int(side) for side in shape])


@pytest.fixture
def numbers() -> Callable[[AppTest], dict[str, str]]:
    """What the boxes with a number say, by label."""
    return lambda app: {box.label: str(box.value) for box in app.metric}
