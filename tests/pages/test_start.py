"""The start page: the story with stored results, told for the selection."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs

ROOT = Path(__file__).parents[2]


def run_of(source, bits):
    (found,) = (
        run.result
        for run in stored_runs.presets()
        if (run.result.spec.synthesis.source, run.result.spec.quantization.name) == (source, bits)
    )
    return found


@pytest.mark.parametrize("bits", showcase.BITS)
def test_it_tells_the_story_at_every_stored_width(bits, open_page, shipped, text, numbers):
    app = open_page(pages.START, weight_bits=bits[1], activation_bits=bits[3])
    assert not app.exception
    said = text(app)
    assert f"(`{bits}`)" in said
    assert "No result for" not in said
    maskaq, noise = run_of("maskaq", bits), run_of("noise", bits)
    shown = numbers(app)
    assert shown["P, full precision"] == f"{maskaq.fp.top1:.1%}".replace("%", " %")
    assert shown["Q from maskaq"] == f"{maskaq.q.top1:.1%}".replace("%", " %")
    assert shown["Q from noise"] == f"{noise.q.top1:.1%}".replace("%", " %")
    assert f"n = {maskaq.evaluated:,}" in said
    assert "95 % interval" in said
    assert "Simulated arithmetic" in said
    assert "Stored example, shipped with maskaq" in said


def test_the_image_decides_what_is_looked_at(open_page, drawn):
    app = open_page(pages.START)
    first = drawn(app, "Where P looks")
    assert f": {showcase.scene(0).name}" in drawn(app, "A scene")["layout"]["title"]["text"]
    app.selectbox(key="image").set_value("6").run()
    assert f": {showcase.scene(6).name}" in drawn(app, "A scene")["layout"]["title"]["text"]
    assert drawn(app, "Where P looks")["data"][0]["source"] != first["data"][0]["source"]


def test_the_mask_ratio_decides_how_much_is_informative(open_page, drawn, text):
    app = open_page(pages.START, mask_ratio="0.1")
    assert "The 6 patches that P attends to most" in text(app)
    app.slider(key="mask_ratio").set_value(0.5).run()
    assert "The 32 patches that P attends to most" in text(app)
    names = [trace.get("name", "") for trace in drawn(app, "Where P looks")["data"]]
    assert "informative: 32 of 64 patches" in names


def test_bits_that_are_not_stored_are_said(open_page, shipped, text):
    app = open_page(pages.START, weight_bits="5", activation_bits="5")
    assert "No result for W5A5 ships with maskaq, so this is W4A4." in text(app)


def test_without_a_stored_run_the_rest_still_stands(open_page, monkeypatch, tmp_path, text):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(pages.START)
    assert not app.exception
    assert "ships no stored result" in text(app)
    assert len(app.get("plotly_chart")) == 2


def test_it_leads_to_every_other_page(open_page):
    app = open_page(pages.START)
    links = [link.proto.label for link in app.main.get("page_link")]
    assert links == [page.title for page in pages.PAGES[1:]]


def test_another_model_is_said_to_be_elsewhere(open_page, text):
    app = open_page(pages.START, model="deit_tiny_patch16_224")
    assert not app.exception
    assert "about the stored example" in text(app)
    assert "about the stored example" not in text(open_page(pages.START))


def test_a_demo_tells_the_same_story(open_page, monkeypatch, shipped, numbers):
    usual = numbers(open_page(pages.START))
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(pages.START)
    assert not app.exception
    assert numbers(app) == usual


@pytest.mark.parametrize("readonly", ["", "1"])
def test_what_can_be_understood_without_computing_loads_nothing_heavy(readonly):
    code = (
        "import sys; from streamlit.testing.v1 import AppTest; from maskaq.ui.state import pages; "
        f"app = AppTest.from_file({str(ROOT / 'app.py')!r}, default_timeout=60); "
        "app.query_params.update(block='2', head='1', mask_ratio='0.3'); app.run(); "
        "found = [page for page in pages.PAGES if page.section == pages.UNDERSTAND]; "
        "assert len(found) == 6\n"
        "for page in found:\n"
        "    app.switch_page(page.file).run(); assert not app.exception, app.exception\n"
        "print([name for name in ('torch', 'timm', 'scipy', 'distributed') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PATH": "", "MASKAQ_READONLY": readonly, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"
