"""The page Compare: chosen runs side by side, and published numbers separate from them."""

from dataclasses import replace
from itertools import product

import pandas as pd
import pytest

from maskaq.config.presets import spec_of
from maskaq.evaluation.activation_shift_table import COLUMNS
from maskaq.jobs import sweep
from maskaq.precomputed import accuracy_table, published
from maskaq.results import activation_shift
from maskaq.ui.state import pages, stored_runs
from tests.support import stored

PAGE = pages.COMPARE


def add(workplace, bits=(4, 4), source="maskaq", folder="examples"):
    spec = spec_of("maskaq", bits)
    spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
    stored.write(workplace / folder / f"{bits[0]}{bits[1]}-{source}", spec)


def chosen(app):
    (box,) = app.multiselect
    return box.value


def test_it_opens_with_a_stored_run_and_the_published_tables(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    assert chosen(app) == ["W4A4 maskaq, reconstruct: Q 88.0%, agreement 93.0%"]
    assert len(app.get("plotly_chart")) == 2
    assert "Stored example" in text(app)
    assert "None of these numbers was measured by maskaq" in text(app)


def test_the_bits_of_the_sidebar_preselect_the_runs(open_page, set_bits, workplace):
    sources = ("maskaq", "mimiq", "noise", "real")
    for bits, source in product([(4, 4), (3, 3)], sources):
        if (bits, source) != ((4, 4), "maskaq"):  # which is there
            add(workplace, bits, source)
    app = open_page(PAGE)
    for bits in ("W3A3", "W4A4"):
        set_bits(app, bits)
        assert not app.exception
        assert [label.split(",")[0] for label in chosen(app)] == [f"{bits} {s}" for s in sources]
        table = app.dataframe[0].value  # what differs
        assert list(table["setting"]) == ["synthesis.source"]


def test_bit_widths_that_are_not_stored_are_named(open_page, text):
    app = open_page(PAGE, weight_bits="6")
    assert "No run at W6A4 ships with maskaq; runs at W4A4 are preselected below" in text(app)


def test_the_chosen_runs_are_drawn(open_page, workplace, text):
    add(workplace, (3, 3), "noise")
    add(workplace, (8, 8), "real", folder="runs")  # of the command line
    app = open_page(PAGE)
    (box,) = app.multiselect
    box.set_value(box.options).run()
    assert not app.exception
    spec = app.get("plotly_chart")[0].proto.spec
    for name in ("W4A4 maskaq", "W3A3 noise", "W8A8 real"):
        assert name in spec
    assert "Computed on this machine" in text(app)
    box.set_value([]).run()
    assert not app.get("plotly_chart")
    assert "Choose one or more runs" in text(app)
    assert "Published in papers" in text(app)


def test_only_your_own_runs_can_be_chosen(open_page, press, cluster):
    mine = press(open_page(pages.QUANTIZE, seed="5"), "Run")
    cluster.finish()
    mine.run()
    mine.switch_page(PAGE.file).run()
    assert len(mine.multiselect[0].options) == 2
    assert len(open_page(PAGE).multiselect[0].options) == 1


def test_published_numbers_are_never_mixed_with_ours(open_page):
    app = open_page(PAGE)
    paper, table = published.tables()[0]
    ours = {"run", "measure"}
    for frame in app.dataframe:
        assert not (ours & set(frame.value.columns) and "method" in frame.value.columns)
    rows = next(frame.value for frame in app.dataframe if "method" in frame.value)
    everything = published.frame()
    wanted = everything[(everything["paper"] == paper) & (everything["table"] == table)]
    numbers = rows[list(dict.fromkeys(wanted["model"]))]
    assert numbers.notna().sum().sum() == len(wanted)
    assert "W4A4 maskaq, reconstruct" not in set(rows["method"])


def test_every_published_table_names_its_source(open_page, text):
    app = open_page(PAGE)
    for paper, table in published.tables():
        app.selectbox(key="published").set_value(f"{paper}: {table}").run()
        assert not app.exception
        assert f"Source: [{paper}]({published.addresses()[paper]}), {table}." in text(app)


def test_published_numbers_can_be_filtered_by_bits(open_page, text):
    app = open_page(PAGE)
    paper, table = published.tables()[0]
    app.get_by_key(f"published_bits_{paper}_{table}").set_value(["W3A3"]).run()
    rows = next(frame.value for frame in app.dataframe if "method" in frame.value)
    assert set(rows["bits"]) == {"W3A3"}


def test_without_any_run_the_published_tables_are_shown(open_page, text, monkeypatch, tmp_path):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(PAGE)
    assert not app.exception
    assert "No run is stored yet" in text(app)
    assert "Published in papers" in text(app)


def test_a_demo_compares_too(open_page, monkeypatch, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert len(app.get("plotly_chart")) == 2
    assert not cluster.warmed


def diagnose(folder):
    """Write a made-up diagnosis into the folder of a made-up run."""
    rows = [
        ("blocks.0.attn.operands.softmax", "softmax", 0, "range", 1.0, 4.0, 0.25, 0.2, 0.3),
        ("blocks.0.attn.operands.softmax", "softmax", 0, "entropy", 3.0, 2.0, 1.5, 1.4, 1.6),
        ("blocks.1.mlp.fc2.input", "gelu", 1, "range", 1.0, 1.0, 1.0, 0.9, 1.1),
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    of, now = stored.result().created, "2026-11-21T12:00:00+00:00"
    activation_shift.write(
        activation_shift.Diagnosis(table, 32, 256, "scenes", of, now, "make it"), folder
    )


def test_a_run_without_a_diagnosis_shows_the_command(open_page, text, workplace):
    app = open_page(PAGE)
    assert "No diagnosis is stored for: W4A4 maskaq, reconstruct." in text(app)
    code = "\n".join(block.value for block in app.code)
    assert f"python -m benchmarks.diagnosis {workplace / 'examples' / 'a'}" in code


def test_a_stored_diagnosis_is_drawn_with_its_summary_and_origin(open_page, text, workplace, drawn):
    diagnose(workplace / "examples" / "a")
    add(workplace, source="noise")
    app = open_page(PAGE)
    assert not app.exception
    shown = text(app)
    assert "softmax of block 0 with 0.25 times the range (0.20 to 0.30)" in shown
    assert "(32 samples, 256 real images)" in shown
    assert "Computed on 21 November 2026, 12:00 UTC by `make it`" in shown
    assert "No diagnosis is stored for: W4A4 noise, reconstruct." in shown
    heat = drawn(app, "W4A4 maskaq, reconstruct: range, samples over real")["data"][0]
    assert heat["z"][0][0] == -2
    app.get_by_key("diagnosis_statistic").set_value("entropy").run()
    assert "with 1.50 times the entropy" in text(app)
    app.get_by_key("diagnosis_statistic").set_value("peak").run()
    assert not app.exception
    assert "The peak is not measured." in text(app)


def test_a_damaged_diagnosis_does_not_hide_the_rest(open_page, text, workplace):
    (workplace / "examples" / "a" / activation_shift.FILE).write_text("{")
    app = open_page(PAGE)
    assert not app.exception
    assert "cannot be read" in text(app)
    assert "No diagnosis is stored for" in text(app)
    assert "Published in papers" in text(app)


def test_every_shipped_run_has_a_diagnosis(open_page, text, shipped):
    app = open_page(PAGE)
    assert not app.exception
    if "No diagnosis" in text(app):
        pytest.skip(f"run again: {activation_shift.COMMAND}")
    assert "Furthest from real images" in text(app)


def test_without_a_table_its_command_is_shown(open_page, text):
    app = open_page(PAGE)
    assert "This table is not stored yet" in text(app)
    assert accuracy_table.COMMAND in [block.value for block in app.code]


def test_our_own_table_is_shown_before_the_published_ones(open_page, text, drawn):
    cell = accuracy_table.Cell(
        "scenes_vit", "maskaq", "repq", "W4A4", 0, 0.9, 0.8, 0.78, 0.82, 5000, 2.0, 30.0
    )
    cells = [
        replace(cell, seed=seed, q=0.8 + seed / 100, bits=bits)
        for seed in (0, 1)
        for bits in ("W8A8", "W4A4")
    ]
    about = {"command": "make the table", "created": "2026-11-21T10:00:00+00:00", "device": "cpu"}
    accuracy_table.write("scenes_vit", cells, about, accuracy_table.FILE)
    app = open_page(PAGE)
    assert not app.exception
    assert "on 21 November 2026, cpu, by `make the table`" in text(app)
    title = "Top-1 accuracy of Q in % at W4A4; n = 5,000 images, seeds: 2"
    assert drawn(app, title)["data"][0]["text"] == [["80.5<br>80.0 to 81.0"]]
    app.get_by_key("measured_bits_scenes_vit").set_value("W8A8").run()
    assert drawn(app, "at W8A8")
    accuracy_table.FILE.write_text("{")
    app.run()
    assert not app.exception
    assert "python -m benchmarks.accuracy" in text(app)


def write_sweep(workplace, count=6):
    """Write a sweep of the command line, in which one run is damaged."""
    specs = [replace(spec_of("maskaq"), seed=seed) for seed in range(count)]
    for one in sweep.plan(specs, workplace / "runs" / "seeds"):
        stored.write(one.folder, one.spec)
    (one.folder / "manifest.json").write_text("{")


def test_a_sweep_of_the_command_line_is_chosen_by_its_folder(open_page, workplace):
    write_sweep(workplace)
    app = open_page(PAGE)
    app.selectbox(key="compare_folder").set_value("the sweep seeds").run()
    assert not app.exception
    box = app.multiselect(key="compare_of_the sweep seeds")
    assert len(box.options) == 5
    assert len(box.value) == 4
    assert "All runs of the sweep seeds: 6 runs, 1 of them incomplete" in [
        one.label for one in app.expander
    ]
    assert len(app.get("plotly_chart")) == 2
    box.set_value([]).run()
    assert "Choose one or more runs above." in [one.value for one in app.info]


def test_without_a_sweep_there_is_no_menu_of_folders(open_page):
    assert not [box for box in open_page(PAGE).selectbox if box.label == "Runs from"]
