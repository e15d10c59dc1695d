"""The page Compare: chosen runs side by side, our measurements, and published numbers."""

import json
from dataclasses import replace
from itertools import product

import pandas as pd
import pytest

from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.evaluation.activation_shift_table import COLUMNS
from maskaq.jobs import sweep
from maskaq.precomputed import accuracy_table, published
from maskaq.results import activation_shift
from maskaq.ui.state import pages, stored_runs
from tests.support import stored

SHIPPED_TABLE = accuracy_table.FILE  # before the fixtures replace it
PAGE = pages.COMPARE
SOURCES = ("maskaq", "mimiq", "noise", "real")
MEASURED = accuracy_table.FILE


def add(workplace, bits=(4, 4), source="maskaq", folder="examples"):
    spec = spec_of("maskaq", bits)
    spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
    stored.write(workplace / folder / f"{bits[0]}{bits[1]}-{source}", spec)


def chosen(app):
    (box,) = app.multiselect
    return box.value


def titles(app):
    return [json.loads(one.proto.spec)["layout"]["title"]["text"] for one in charts(app)]


def charts(app):
    return app.get("plotly_chart")


def add_sources(workplace, *formats):
    """Runs of four sources at each of these bits; maskaq at W4A4 is there."""
    for bits, source in product(formats, SOURCES):
        if (bits, source) != ((4, 4), "maskaq"):
            add(workplace, bits, source)


def test_it_opens_with_the_verdict_and_one_figure(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    assert chosen(app) == ["W4A4 maskaq, reconstruct: 88.0 %"]
    assert titles(app) == ["Accuracy on 500 images, 95 % intervals"]
    assert "**At W4A4 the quantized model keeps 97.8 % of the accuracy**" in text(app)
    assert "**P** is the full-precision model, **Q** the quantized one." in text(app)


def test_the_bits_of_the_sidebar_preselect_the_runs(open_page, set_bits, workplace, text):
    add_sources(workplace, (4, 4), (3, 3))
    app = open_page(PAGE, view="What differs")
    for bits in ("W3A3", "W4A4"):
        set_bits(app, bits)
        assert not app.exception
        assert [label.split(",")[0] for label in chosen(app)] == [f"{bits} {s}" for s in SOURCES]
        assert list(app.dataframe[0].value["setting"]) == ["synthesis.source"]
        assert "**1 setting differs**: synthesis.source." in text(app)


@pytest.mark.parametrize("tab", pages.COMPARE.tabs)
def test_no_tab_shows_results_for_other_bits(open_page, text, shipped, tab, monkeypatch):
    """At any bits, a tab shows results at these bits, or says that none is stored."""
    monkeypatch.setattr(accuracy_table, "FILE", MEASURED)
    app = open_page(PAGE, compare=tab, axis_1="mask_ratio")
    drawn_at: list[str] = []
    stored_somewhere = {"W8A8", "W6A6", "W4A8", "W4A4", "W3A3", "W2A4", "W5A5", "W3A4"}
    for weights, activations in product((2, 3, 4, 5, 6, 8), (4, 6, 8)):
        app.slider(key="weight_bits").set_value(weights)
        app.slider(key="activation_bits").set_value(activations).run()
        assert not app.exception
        bits = f"W{weights}A{activations}"
        shown = " ".join(one.proto.spec for one in charts(app)) + " ".join(
            str(frame.value) for frame in app.dataframe
        )
        verdicts = " ".join(one.value for one in app.markdown)
        for other in stored_somewhere - {bits}:
            assert other not in shown, (tab, bits)
            assert other not in verdicts, (tab, bits)
        drawn_at.extend([bits] * len(charts(app)))
        if not charts(app):
            assert f"stored at {bits}. Choose bits that are:" in text(app)
    assert {"W4A4", "W8A8"} <= set(drawn_at) or tab == "Published"
    assert "W4A4" in drawn_at


def test_bits_that_are_not_stored_are_named_with_those_that_are(open_page, text, workplace, press):
    add(workplace, (3, 3), "noise")
    app = open_page(PAGE, weight_bits="6")
    assert "No run is stored at W6A4. Choose bits that are:" in text(app)
    assert not charts(app)
    assert chosen(app) == []
    assert [b.label for b in app.button if b.label.startswith("W")] == ["W4A4", "W3A3"]
    press(app, "W3A3")
    assert (app.slider(key="weight_bits").value, app.slider(key="activation_bits").value) == (3, 3)
    assert chosen(app) == ["W3A3 noise, reconstruct: 88.0 %"]
    assert len(charts(app)) == 1


def test_the_chosen_runs_are_drawn(open_page, workplace, text):
    add(workplace, (3, 3), "noise")
    add(workplace, (8, 8), "real", folder="runs")  # of the command line
    app = open_page(PAGE)
    (box,) = app.multiselect
    box.set_value(box.options).run()
    assert not app.exception
    spec = charts(app)[0].proto.spec
    for name in ("W4A4 maskaq", "W3A3 noise", "W8A8 real"):
        assert name in spec
    assert "cannot be told apart" in text(app)
    box.set_value([]).run()
    assert not charts(app)


def test_every_view_has_a_verdict_and_two_figures_at_most(open_page, workplace, text, shipped):
    app = open_page(PAGE)
    said = {
        "Accuracy": "At W4A4: **",
        "Cost": "took the most time",
        "Images": "**P recognises the images of ",
        "What differs": "**1 setting differs**",
        "Activation shift": "The ranges of real are off by a factor of",
    }
    assert app.get_by_key("view").options == list(said)
    for view, verdict in said.items():
        app.get_by_key("view").set_value(view).run()
        assert not app.exception
        assert any(one.value.startswith("#") and verdict in one.value for one in app.markdown), view
        assert len(charts(app)) <= 2


def test_a_run_is_opened_from_the_menu(open_page, workplace, text):
    add(workplace, source="noise")
    app = open_page(PAGE)
    menu = app.selectbox(key="compared_run")
    assert menu.options == ["maskaq", "noise"]
    menu.set_value("noise").run()
    assert "Stored example" in text(app)
    assert any("--source noise" in one.value for one in app.code)
    without = [label for label in chosen(app) if "noise" not in label]
    app.multiselect[0].set_value(without).run()
    assert not app.exception
    assert app.selectbox(key="compared_run").value is None


def test_only_your_own_runs_can_be_chosen(open_page, press, cluster):
    mine = press(open_page(pages.MAKE_ONE, make="Result", seed="5"), "Run")
    cluster.finish()
    mine.run()
    mine.switch_page(PAGE.file).run()
    assert len(mine.multiselect[0].options) == 2
    assert len(open_page(PAGE).multiselect[0].options) == 1


def test_published_numbers_are_never_mixed_with_ours(open_page, workplace, drawn, text):
    app = open_page(PAGE, compare="Published")
    paper, table = published.tables()[0]
    assert "None of these numbers was measured by maskaq" in text(app)
    heat = drawn(app, "Published top-1 accuracy at W4A4")["data"][0]
    everything = published.frame()
    wanted = everything[(everything["paper"] == paper) & (everything["table"] == table)]
    wanted = wanted[wanted["bits"] == "W4A4"]
    assert {name.replace("<br>", " ") for name in heat["y"]} == set(wanted["method"])
    assert sum(label != "" for row in heat["text"] for label in row) == len(wanted)
    app.session_state["details"] = True
    (rows,) = [frame.value for frame in app.run().dataframe]
    assert "run" not in rows
    assert set(rows["tag"]) == set(wanted["tag"])


def test_every_published_table_names_its_source(open_page, text):
    app = open_page(PAGE, compare="Published")
    everything = published.frame()
    for paper, table in published.tables():
        rows = everything[(everything["paper"] == paper) & (everything["table"] == table)]
        bits = next(name for name in rows["bits"] if name != "float32")
        weights, activations = parse_bits(bits)
        app.session_state["weight_bits"] = weights
        app.session_state["activation_bits"] = activations
        app.selectbox(key="published").set_value(f"{paper}: {table}").run()
        assert not app.exception
        assert f"Source: [{paper}]({published.addresses()[paper]}), {table}." in text(app)


def test_without_any_run_it_names_the_page_that_makes_one(open_page, text, monkeypatch, tmp_path):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(PAGE)
    assert not app.exception
    assert "No run is stored yet. Start one on the page Make one." in text(app)


def test_a_demo_compares_too(open_page, monkeypatch, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert len(charts(app)) == 1
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
    app = open_page(PAGE, view="Activation shift")
    assert "No diagnosis is stored for: maskaq." in text(app)
    code = "\n".join(block.value for block in app.code)
    assert f"python -m benchmarks.diagnosis {workplace / 'examples' / 'a'}" in code


def test_a_stored_diagnosis_is_drawn_with_its_summary_and_origin(open_page, text, workplace, drawn):
    diagnose(workplace / "examples" / "a")
    add(workplace, source="noise")
    app = open_page(PAGE, view="Activation shift")
    assert not app.exception
    shown = text(app)
    assert "softmax of block 0 with 0.25 times the range (0.20 to 0.30)" in shown
    assert "(32 samples, 256 real images)" in shown
    assert "Computed on 21 November 2026, 12:00 UTC by `make it`" in shown
    assert "No diagnosis is stored for: noise." in shown
    heat = drawn(app, "maskaq: range")["data"][0]
    assert heat["z"][0][0] == -2
    app.get_by_key("diagnosis_statistic").set_value("entropy").run()
    assert "with 1.50 times the entropy" in text(app)
    app.get_by_key("diagnosis_statistic").set_value("peak").run()
    assert not app.exception
    assert "The peak is not measured." in text(app)


def test_the_tensors_of_any_diagnosed_run_are_shown(open_page, workplace, drawn):
    add(workplace, source="noise")
    diagnose(workplace / "examples" / "a")
    diagnose(workplace / "examples" / "44-noise")
    app = open_page(PAGE, view="Activation shift")
    menu = app.selectbox(key="diagnosed_run")
    assert menu.options == ["maskaq", "noise"]
    menu.set_value("noise").run()
    assert drawn(app, "noise: range")


def test_a_damaged_diagnosis_does_not_hide_the_rest(open_page, text, workplace):
    (workplace / "examples" / "a" / activation_shift.FILE).write_text("{")
    app = open_page(PAGE, view="Activation shift")
    assert not app.exception
    assert "cannot be read" in text(app)
    assert "No diagnosis is stored for" in text(app)


def test_every_shipped_run_has_a_diagnosis(open_page, text, shipped):
    app = open_page(PAGE, view="Activation shift")
    assert not app.exception
    if "No diagnosis" in text(app):
        pytest.skip(f"run again: {activation_shift.COMMAND}")
    assert "Furthest from real images" in text(app)


def test_without_a_table_its_command_is_shown(open_page, text):
    app = open_page(PAGE, compare="Measured")
    assert "This table is not stored yet" in text(app)
    assert accuracy_table.COMMAND in [block.value for block in app.code]


def test_our_own_table_is_shown_at_the_chosen_bits(open_page, text, drawn, set_bits):
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
    app = open_page(PAGE, compare="Measured")
    assert not app.exception
    assert "on 21 November 2026, cpu, by `make the table`" in text(app)
    assert "At W4A4: **maskaq with repq is highest**: 80.5 %" in text(app)
    figure = drawn(app, "Accuracy of Q at W4A4, %")
    assert figure["data"][0]["text"] == [["<b>80.5</b><br>±6.4"]]
    assert "n = 5,000 images, seeds: 2" in figure["layout"]["title"]["text"]
    assert drawn(set_bits(app, "W8A8"), "at W8A8")
    set_bits(app, "W6A6")
    assert "No measurement is stored at W6A6." in text(app)
    accuracy_table.FILE.write_text("{")
    app.run()
    assert not app.exception
    assert "python -m benchmarks.accuracy" in text(app)


def test_the_measured_table_is_of_the_chosen_model_and_names_its_metric(
    open_page, text, drawn, monkeypatch
):
    monkeypatch.setattr(accuracy_table, "FILE", SHIPPED_TABLE)
    app = open_page(PAGE, compare="Measured", model="scenes_vit_det")
    assert not app.exception
    assert app.selectbox(key="measured_model").value == "scenes_vit_det"
    figure = drawn(app, "AP of Q at W4A4, %")
    assert "n = 1,000 images, seeds: 3" in figure["layout"]["title"]["text"]
    assert "without its last finetuning" not in text(app)
    app.selectbox(key="measured_model").set_value("scenes_vit").run()
    assert drawn(app, "Accuracy of Q at W4A4, %")
    assert "without its last finetuning" in text(app)


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
    assert len(charts(app)) == 1
    box.set_value([]).run()
    assert not app.exception
    assert not charts(app)


def test_without_a_sweep_there_is_no_menu_of_folders(open_page):
    assert not [box for box in open_page(PAGE).selectbox if box.label == "Runs from"]
