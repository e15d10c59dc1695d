"""The page Take away: one page about a run, and the files that it offers."""

import io
import json
import shutil
import zipfile

import pytest

from maskaq.config.presets import spec_of
from maskaq.ui.state import pages, stored_runs
from tests.support import stored

PAGE = pages.TAKE_AWAY


@pytest.fixture
def downloads(monkeypatch):
    """The data and the options of each download button, by key."""
    import streamlit as st

    offered = {}
    real = st.delta_generator.DeltaGenerator.download_button

    def button(self, label, data, *args, **options):
        offered[options["key"]] = (data, options)
        return real(self, label, data, *args, **options)

    monkeypatch.setattr(st.delta_generator.DeltaGenerator, "download_button", button)
    return offered


def test_it_opens_with_the_summary_of_a_stored_run(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    (box,) = app.multiselect
    assert box.value == ["W4A4 maskaq, reconstruct: 88.0 %"]
    said = text(app)
    assert "Vision Transformer scenes_vit in 4 bits, without its training data" in said
    for part in ("What", "How good", "How sure", "How small", "Do not claim", "How to repeat"):
        assert f"**{part}" in said
    assert "Stored example" in said
    labels = [button.proto.label for button in app.get("download_button")]
    assert labels[:3] == ["Report as HTML", "Settings as JSON", "Tables as CSV"]


def test_the_size_of_a_shipped_run_is_computed(open_page, text, shipped):
    said = text(open_page(PAGE))
    assert "7.3 MB, packed at their bit widths 1.0 MB (**7.1 times smaller**)" in said
    assert "Computed. Measured files: W7A8 3." in said


def test_every_shipped_run_can_be_reported(open_page, downloads, shipped):
    (box,) = open_page(PAGE).multiselect
    for label in box.options:
        app = box.set_value([label]).run()
        assert not app.exception
        (run,) = json.loads(downloads["report_json"][0]())
        settings = run["settings"]
        bits = "W{weight_bits}A{activation_bits}".format(**settings["quantization"])
        assert label.startswith(f"{bits} {settings['synthesis']['source']}, ")
        (box,) = app.multiselect


def test_the_files_are_about_the_chosen_runs(open_page, downloads, workplace):
    stored.write(workplace / "examples" / "b", spec_of("maskaq", (3, 3)))
    app = open_page(PAGE)
    (box,) = app.multiselect
    box.set_value(box.options).run()
    page, options = downloads["report_html"]
    assert options["file_name"] == "maskaq-report.html"
    text = page()
    assert "2 quantized versions of scenes_vit" in text
    assert "by the app of maskaq" in text
    settings = json.loads(downloads["report_json"][0]())
    assert [one["settings"]["quantization"]["weight_bits"] for one in settings] == [4, 3]
    assert all(one["command"].startswith("python -m maskaq run") for one in settings)
    with zipfile.ZipFile(io.BytesIO(downloads["report_zip"][0]())) as archive:
        names = archive.namelist()
    assert {"comparison.csv", "run_1/tensors.csv", "run_2/curves.csv"} <= set(names)
    box.set_value(box.options[1:]).run()
    assert downloads["report_html"][1]["file_name"] == "maskaq-b.html"
    assert "2 quantized versions of scenes_vit" not in downloads["report_html"][0]()


def test_a_report_is_made_only_on_request(open_page, monkeypatch):
    from maskaq.reports import html

    def fail(*_: object) -> str:
        raise AssertionError("made before it was requested")

    monkeypatch.setattr(html, "html", fail)
    assert not open_page(PAGE).exception


def test_the_tables_can_be_viewed(open_page, text):
    app = open_page(PAGE)
    app.session_state["contents"] = True
    app.run().selectbox(key="report_table").set_value("run_1/tensors").run()
    assert not app.exception
    assert any("sqnr_db" in frame.value for frame in app.dataframe)


def test_without_a_chosen_run_nothing_is_summed_up(open_page, text):
    app = open_page(PAGE)
    app.multiselect[0].set_value([]).run()
    assert not app.exception
    assert "How good" not in text(app)
    assert not [one for one in app.get("download_button") if "Report" in one.proto.label]


def test_bit_widths_that_are_not_stored_are_named(open_page, text):
    app = open_page(PAGE, weight_bits="6")
    assert "No run is stored at W6A4. Choose bits that are:" in text(app)
    assert "How good" not in text(app)


def test_without_any_run_it_names_the_page_that_makes_one(open_page, text, monkeypatch, tmp_path):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(PAGE)
    assert not app.exception
    assert "No run is stored yet. Start one on the page Make one." in text(app)


def test_others_runs_cannot_be_reported(open_page, press, cluster):
    mine = press(open_page(pages.MAKE_ONE, make="Result", seed="5"), "Run")
    cluster.finish()
    mine.run().switch_page(PAGE.file).run()
    assert len(mine.multiselect[0].options) == 2
    assert len(open_page(PAGE).multiselect[0].options) == 1


def test_a_demo_offers_reports_too(open_page, monkeypatch, downloads):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert "without its training data" in downloads["report_html"][0]()


def test_what_was_left_out_is_shown(open_page, workplace):
    assert not open_page(PAGE).info
    shutil.rmtree(workplace / "examples" / "a")
    stored.write(workplace / "examples" / "b", notes=("left out 2 hidden images (a_*)",))
    app = open_page(PAGE)
    assert not app.exception
    assert [box.value for box in app.info] == [r"- left out 2 hidden images (a\_\*)"]
