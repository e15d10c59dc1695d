"""The page Report: what it hands out."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import pytest

from maskaq.config.presets import spec_of
from maskaq.ui.state import pages, stored_runs
from tests.support import stored

PAGE = pages.REPORT


@pytest.fixture
def handed(monkeypatch):
    """What the download buttons hand out, by key."""
    import streamlit as st

    found = {}
    real = st.delta_generator.DeltaGenerator.download_button

    def button(self, label, data, *args, **options):
        found[options["key"]] = (data, options)
        return real(self, label, data, *args, **options)

    monkeypatch.setattr(st.delta_generator.DeltaGenerator, "download_button", button)
    return found


def test_it_opens_with_a_stored_run(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    (box,) = app.multiselect
    assert box.value == ["W4A4 maskaq, reconstruct: Q 88.0%, same answer 93.0%"]
    assert "Stored example" in text(app)
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels[:3] == ["Report as HTML", "Settings as JSON", "Tables as CSV"]


@pytest.mark.parametrize("bits", [(8, 8), (4, 4), (3, 3), (2, 4)])
@pytest.mark.parametrize("source", ["noise", "mimiq", "maskaq", "real"])
def test_every_stored_preset_can_be_reported(open_page, handed, workplace, bits, source):
    spec = spec_of("maskaq", bits)
    spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
    stored.write(workplace / "examples" / "b", spec)
    app = open_page(PAGE, weight_bits=str(bits[0]), activation_bits=str(bits[1]))
    (box,) = app.multiselect
    name = f"W{bits[0]}A{bits[1]} {source}, "
    box.set_value([label for label in box.options if label.startswith(name)][:1]).run()
    assert not app.exception
    made = json.loads(handed["report_json"][0]())
    assert [one["settings"]["synthesis"]["source"] for one in made] == [source]


def test_the_files_are_about_the_chosen_runs(open_page, handed, workplace):
    stored.write(workplace / "examples" / "b", spec_of("maskaq", (3, 3)))
    app = open_page(PAGE)
    (box,) = app.multiselect
    box.set_value(box.options).run()
    page, options = handed["report_html"]
    assert options["file_name"] == "maskaq-report.html"
    text = page()
    assert "2 runs compared" in text
    assert "by the app of maskaq" in text
    settings = json.loads(handed["report_json"][0]())
    assert [one["settings"]["quantization"]["weight_bits"] for one in settings] == [4, 3]
    assert all(one["command"].startswith("python -m maskaq run") for one in settings)
    with zipfile.ZipFile(io.BytesIO(handed["report_zip"][0]())) as archive:
        names = archive.namelist()
    assert {"comparison.csv", "run_1/tensors.csv", "run_2/curves.csv"} <= set(names)
    box.set_value(box.options[1:]).run()
    assert handed["report_html"][1]["file_name"] == "maskaq-b.html"
    assert "2 runs compared" not in handed["report_html"][0]()


def test_nothing_is_made_before_it_is_asked_for(open_page, monkeypatch):
    from maskaq.reports import html

    def fail(*_: object) -> str:
        raise AssertionError("made too early")

    monkeypatch.setattr(html, "html", fail)
    assert not open_page(PAGE).exception


def test_the_tables_can_be_looked_at(open_page, text):
    app = open_page(PAGE)
    app.selectbox(key="report_table").set_value("run_1/tensors").run()
    assert not app.exception
    assert any("sqnr_db" in frame.value for frame in app.dataframe)


def test_no_run_chosen_is_said(open_page, text):
    app = open_page(PAGE)
    app.multiselect[0].set_value([]).run()
    assert not app.exception
    assert "Choose one or more runs" in text(app)
    assert not [one for one in app.get("download_button") if "Report" in one.proto.label]


def test_bits_that_are_not_stored_are_said(open_page, text):
    assert "No run at W6A4 ships" in text(open_page(PAGE, weight_bits="6"))


def test_without_any_run_it_says_where_to_make_one(open_page, text, monkeypatch, tmp_path):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(PAGE)
    assert not app.exception
    assert "No run is stored yet. The page Quantize makes one." in text(app)


def test_others_runs_cannot_be_reported(open_page, press, cluster):
    mine = press(open_page(pages.QUANTIZE, seed="5"), "Run")
    cluster.finish()
    mine.run().switch_page(PAGE.file).run()
    assert len(mine.multiselect[0].options) == 2
    assert len(open_page(PAGE).multiselect[0].options) == 1


def test_a_demo_hands_out_reports_too(open_page, monkeypatch, handed):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert "maskaq" in handed["report_html"][0]()
