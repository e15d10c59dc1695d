"""What all pages have in common, driven from the router as a visitor would."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from maskaq.errors import DataError
from maskaq.ui.state import pages, stored_runs, uploads

ROOT = Path(__file__).parents[2]
EVERY = pytest.mark.parametrize("spec", pages.PAGES, ids=lambda spec: spec.title)


@EVERY
def test_a_page_opens_with_the_shared_selection(spec, open_page):
    app = open_page(spec, weight_bits="6", mask_ratio="0.3", block="2", image="5")
    assert not app.exception
    assert not app.warning
    assert app.title
    assert app.slider(key="weight_bits").value == 6
    assert app.slider(key="mask_ratio").value == 0.3
    assert app.selectbox(key="block").value == "2"
    assert app.selectbox(key="image").value == "5"
    app.slider(key="weight_bits").set_value(3).run()
    assert not app.exception
    assert app.slider(key="weight_bits").value == 3


BAD = {
    "model": "resnet50",
    "weight_bits": "99",
    "activation_bits": "4.5",
    "mask_ratio": "0.33",
    "image": "8",
    "block": "6",
    "head": "-1",
    "seed": "x",
}
DEFAULTS = {
    "model": "scenes_vit",
    "weight_bits": 4,
    "activation_bits": 4,
    "mask_ratio": 0.1,
    "image": "0",
    "block": "mean",
    "head": "mean",
    "seed": 0,
}


@EVERY
def test_bad_values_in_the_address_fall_back_to_the_defaults_and_are_said(spec, open_page):
    app = open_page(spec, **BAD)
    assert not app.exception
    assert {key: app.session_state[key] for key in DEFAULTS} == DEFAULTS
    notice = app.warning[0].value
    for key, value in BAD.items():
        assert f"{key} = `{value}`" in notice


def test_another_model_takes_its_own_blocks_and_says_what_no_longer_exists(open_page):
    app = open_page(pages.ATTENTION, model="deit_base_patch16_224", block="11", head="10")
    assert not app.warning
    assert app.selectbox(key="block").value == "11"
    app.selectbox(key="model").set_value("scenes_vit").run()
    assert not app.exception
    assert app.selectbox(key="block").value == app.selectbox(key="head").value == "mean"
    assert "block = `11`. Allowed: mean, or 0 to 5." in app.warning[0].value


@EVERY
def test_what_is_no_setting_is_said(spec, open_page):
    notice = open_page(spec, colour="red", seed="9").warning[0].value
    assert notice == "The address holds what is no setting of this page: `colour`."


def picture() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(stream, "PNG")
    return stream.getvalue()


def test_a_good_picture_takes_the_place_of_the_scene(open_page, text):
    app = open_page(pages.SANDBOX)
    app.file_uploader(key=uploads.UPLOAD).upload("teal.png", picture()).run()
    assert not app.exception
    assert "teal.png, 40 x 20 pixels" in text(app)
    assert app.selectbox(key="image").disabled


def test_a_bad_picture_is_refused_with_what_is_allowed(open_page):
    app = open_page(pages.SANDBOX)
    app.file_uploader(key=uploads.UPLOAD).upload("bad.png", b"no picture").run()
    assert not app.exception
    assert "Allowed: one still picture" in app.error[0].value


def test_own_files_are_checked_by_a_worker(open_page, cluster, press, text):
    cluster.answers["inspect"] = {"classes": 1000, "size": 224, "images": 500, "labels": 50}
    app = open_page(pages.SANDBOX)
    assert "Check whether they can be used" not in [button.label for button in app.button]
    app.text_input(key=uploads.DATA).set_value("photographs").run()
    press(app, "Check whether they can be used")
    assert cluster.asked[-1] == (
        "inspect",
        {"model": "scenes_vit", "weights": "", "folder": "photographs"},
    )
    assert not app.exception
    assert "The folder has 500 images of 50 classes." in app.success[0].value


def test_own_files_that_cannot_be_used_are_refused_with_the_reason(open_page, cluster, press):
    def refuse(**plain):
        raise DataError("photographs has no folders; allowed: one folder for each class.")

    cluster.answers["inspect"] = refuse
    app = open_page(pages.SANDBOX)
    app.text_input(key=uploads.DATA).set_value("photographs").run()
    press(app, "Check whether they can be used")
    assert not app.exception
    assert app.error[0].value == "photographs has no folders; allowed: one folder for each class."


def test_a_demo_takes_no_files(open_page, monkeypatch):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(pages.START)
    assert app.file_uploader(key=uploads.UPLOAD).disabled
    assert app.text_input(key=uploads.WEIGHTS).disabled
    assert app.text_input(key=uploads.DATA).disabled


@pytest.mark.parametrize("readonly", ["", "1"])
def test_no_page_loads_what_is_heavy(readonly):
    """Torch is loaded in workers only, and Dask not before somebody wants a run."""
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; "
        "from maskaq.jobs import service; service.warm = lambda: None; "
        "from maskaq.ui.state import pages, stored_runs; from pathlib import Path; "
        "stored_runs.EXAMPLES = Path(sys.argv[1]); "
        f"app = AppTest.from_file({str(ROOT / 'app.py')!r}, default_timeout=60).run(); "
        "assert not app.exception and app.title; "
        "[app.switch_page(page.file).run() for page in pages.PAGES]; "
        "assert not app.exception, app.exception; "
        "print([name for name in ('torch', 'timm', 'scipy', 'distributed') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(stored_runs.EXAMPLES)],
        cwd=ROOT,
        env={"PATH": "", "MASKAQ_READONLY": readonly, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
