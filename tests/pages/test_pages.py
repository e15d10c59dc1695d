"""The pages, driven from the router as a visitor would."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from maskaq.errors import RunError
from maskaq.events import Event
from maskaq.methods import spec_of
from maskaq.runs import runner, store
from maskaq.ui import catalog, controls, library
from tests import stored

ROOT = Path(__file__).parents[2]
SOON = 60  # seconds after which a test has failed


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One shipped example (W4A4, default settings), no runs yet, empty caches."""
    stored.write(tmp_path / "examples" / "a")
    monkeypatch.setattr(library, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(store, "save", stored.save)
    st.cache_data.clear()
    st.cache_resource.clear()


def open_page(spec: catalog.PageSpec, **params: str) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=SOON)
    for name, value in params.items():
        app.query_params[name] = value
    app.run()
    if spec is not catalog.PAGES[0]:
        app.switch_page(spec.file).run()
    return app


def text(app: AppTest) -> str:
    kinds = (app.title, app.header, app.markdown, app.caption, app.info, app.warning, app.error)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


def until(app: AppTest, done: Callable[[], bool]) -> AppTest:
    end = time.monotonic() + SOON
    while not done():
        assert time.monotonic() < end, text(app)
        time.sleep(0.02)
        app.run()
    return app


@pytest.mark.parametrize("spec", catalog.PAGES, ids=lambda spec: spec.title)
def test_a_page_opens_with_the_shared_selection(spec):
    app = open_page(spec, weight_bits="6")
    assert not app.exception
    assert app.slider(key="weight_bits").value == 6
    app.slider(key="weight_bits").set_value(3).run()
    assert not app.exception
    assert app.slider(key="weight_bits").value == 3


@pytest.mark.parametrize("spec", catalog.PAGES, ids=lambda spec: spec.title)
def test_bad_values_in_the_address_fall_back_to_the_defaults(spec):
    bad = {"weight_bits": "99", "seed": "x", "source": "nowhere", "images": "-1", "steps": "1e9"}
    app = open_page(spec, **bad)
    assert not app.exception
    assert app.slider(key="weight_bits").value == 4
    assert app.number_input(key="seed").value == 0
    if spec is catalog.QUANTIZE:
        assert app.selectbox(key="source").value == "maskaq"
        assert app.slider(key="images").value == spec_of("maskaq").synthesis.images


def test_start_shows_the_stored_example_and_says_so():
    app = open_page(catalog.START)
    assert [metric.value for metric in app.metric] == ["90.0%", "88.0%", "93.0%"]
    said = text(app)
    assert "Stored example, shipped with maskaq" in said
    assert "On 500 images. Q is -2.0 points from P." in said
    assert "87.0 to 93.0 %" in said
    assert "Simulated" in said
    assert len(app.get("plotly_chart")) == 1


def test_start_admits_that_other_bits_are_not_stored():
    app = open_page(catalog.START, weight_bits="8", activation_bits="6")
    assert "No result for W8A6 ships with maskaq (there is W4A4)" in text(app)
    assert app.metric[1].label == "Q, W4A4"


def test_start_works_without_any_example(tmp_path, monkeypatch):
    monkeypatch.setattr(library, "EXAMPLES", tmp_path / "nothing")
    app = open_page(catalog.START)
    assert not app.exception
    assert "ships no stored result" in text(app)


def test_start_is_drawn_without_torch():
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        "from maskaq.ui import library; from pathlib import Path; "
        "library.EXAMPLES = Path(sys.argv[1]); "
        "app = AppTest.from_file('app.py', default_timeout=60).run(); "
        "assert not app.exception and len(app.metric) == 3, app.exception; "
        "print([name for name in ('torch', 'timm') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(library.EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_quantize_shows_what_is_known_of_the_settings():
    app = open_page(catalog.QUANTIZE)
    assert "Stored example" in text(app)
    assert len(app.get("plotly_chart")) == 3
    app.number_input(key="seed").set_value(5).run()
    spec = replace(spec_of("maskaq"), seed=5)
    assert f"Not computed yet: {controls.title(spec)}. Press Run." in text(app)
    assert not app.metric
    assert "takes about 40 s" in text(app)


def press(app: AppTest, label: str) -> AppTest:
    (button,) = (button for button in app.button if button.label == label)
    assert not button.disabled
    return button.click().run()


def test_a_run_is_shown_live_and_then_its_result(monkeypatch):
    pace = stored.Pace()
    monkeypatch.setattr(runner, "run", pace.run)
    app = press(open_page(catalog.QUANTIZE, seed="5"), "Run")
    assert {button.label: button.disabled for button in app.button}["Run"]
    pace.release(2)
    until(app, lambda: "2 of 3" in str(app.get("progress")[0].proto.text))
    assert "Stage 2 of 4: Making images" in app.get("progress")[0].proto.text
    pace.release(10)
    until(app, lambda: bool(app.metric))
    assert not app.exception
    assert "Computed on this machine on 21 November 2026, 10:00 UTC" in text(app)
    assert "seed 5" in text(app)
    assert not app.get("progress")
    # A new visitor with the same address finds the stored run.
    assert [metric.value for metric in open_page(catalog.QUANTIZE, seed="5").metric] == [
        "90.0%",
        "88.0%",
        "93.0%",
    ]


def test_other_settings_during_a_run_do_not_hide_its_result(monkeypatch):
    pace = stored.Pace()
    monkeypatch.setattr(runner, "run", pace.run)
    app = press(open_page(catalog.QUANTIZE, seed="5"), "Run")
    app.number_input(key="seed").set_value(6).run()
    pace.release(10)
    until(app, lambda: bool(app.metric))
    assert "You changed the settings since" in text(app)
    assert "seed 5" in text(app)


def test_a_reloaded_page_finds_its_run_and_does_not_start_a_second(monkeypatch):
    pace = stored.Pace()
    monkeypatch.setattr(runner, "run", pace.run)
    press(open_page(catalog.QUANTIZE, seed="5"), "Run")
    pace.release(1)
    again = open_page(catalog.QUANTIZE, seed="5")
    until(again, lambda: "1 of 3" in str(again.get("progress")[0].proto.text))
    other = open_page(catalog.QUANTIZE, seed="6")
    assert not other.get("progress")  # another run is none of this visitor's business
    pace.release(10)
    until(again, lambda: bool(again.metric))
    assert pace.begun == 1


def test_cancel_stops_the_run_and_stores_nothing(monkeypatch):
    pace = stored.Pace()
    monkeypatch.setattr(runner, "run", pace.run)
    app = press(open_page(catalog.QUANTIZE, seed="5"), "Run")
    pace.release(1)
    press(app, "Cancel")
    pace.release(10)
    until(app, lambda: "Cancelled" in text(app))
    assert not app.metric
    assert pace.closed
    press(app, "Run")  # and another run may start


@pytest.mark.parametrize(
    "error, message",
    [
        (RunError("the disk is full; free some space."), "the disk is full; free some space."),
        (ZeroDivisionError("oops"), "The run stopped for a reason that maskaq did not foresee."),
    ],
)
def test_an_error_reaches_the_visitor(monkeypatch, error, message):
    def run(spec):
        yield Event("load", 1, 1)
        raise error

    monkeypatch.setattr(runner, "run", run)
    app = press(open_page(catalog.QUANTIZE, seed="5"), "Run")
    until(app, lambda: bool(app.error))
    assert app.error[0].value == message
    unforeseen = not isinstance(error, RunError)
    assert [shown.value for shown in app.exception] == (["oops"] if unforeseen else [])


def test_controls_without_effect_are_disabled():
    app = open_page(catalog.QUANTIZE, source="noise")
    assert app.slider(key="mask_ratio").disabled
    assert app.slider(key="steps").disabled
    app.selectbox(key="source").set_value("mimiq").run()
    assert app.slider(key="mask_ratio").disabled
    assert not app.slider(key="steps").disabled
    app.selectbox(key="source").set_value("maskaq").run()
    assert not app.slider(key="mask_ratio").disabled
