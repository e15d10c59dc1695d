"""The page Quantize: back-end and bit widths decide the run, whose result it shows."""

from dataclasses import replace

import pandas as pd
import pytest

from maskaq.config.presets import spec_of
from maskaq.intervals import wilson
from maskaq.precomputed import showcase
from maskaq.results import manifest
from maskaq.ui.state import pages
from tests.support import model_hub, stored

PAGE = pages.QUANTIZE


@pytest.fixture(autouse=True)
def bits_table(monkeypatch):
    """Accuracy at all bit widths: 1 % for each weight bit and 0.1 % for each activation bit."""
    rows = []
    for source in ("noise", "mimiq", "maskaq", "real"):
        for weight in range(2, 9):
            for activation in range(2, 9):
                top1 = wilson(10 * weight + activation, 1000)
                rows.append((source, weight, activation, *top1[:3], 0.9, 1000, "tails"))
    columns = ["source", "weight_bits", "activation_bits", "top1", "low", "high"]
    table = pd.DataFrame(rows, columns=[*columns, "agreement", "n", "backend"])
    monkeypatch.setattr(showcase, "bits", table.copy)


def metrics(app):
    return {metric.label: metric.value for metric in app.metric}


def test_it_opens_with_a_finished_run(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    assert metrics(app)["P, full precision"] == "90.0 %"
    assert metrics(app)["Q, W4A4"] == "88.0 %"
    assert metrics(app)["Agreement"] == "93.0 %"
    shown = text(app)
    assert "95 % interval 85.0 to 91.0 %, n = 500" in shown
    assert "Simulated arithmetic" in shown
    assert "Stored example" in shown
    titles = " ".join(chart.proto.spec for chart in app.get("plotly_chart"))
    for title in ("P and Q on 500 images", "SQNR", "Which model is right on 500 images"):
        assert title in titles


def test_every_control_reaches_the_run(open_page, press, cluster):
    app = open_page(PAGE, weight_bits="3", activation_bits="5", seed="7")
    app.selectbox(key="source").set_value("mimiq")
    app.selectbox(key="backend").set_value("mse")
    app.selectbox(key="first_last").set_value("target")
    app.slider(key="images").set_value(16).run()
    press(app, "Run")
    spec = cluster.current.spec
    assert spec.quantization.name == "W3A5"
    assert spec.quantization.first_last == "target"
    assert (spec.synthesis.source, spec.synthesis.images) == ("mimiq", 16)
    assert (spec.fit.backend, spec.seed, spec.eval_images) == ("mse", 7, 0)


def test_other_settings_show_the_nearest_example_and_a_note(open_page, text):
    app = open_page(PAGE, backend="minmax")
    assert "Not computed yet: W4A4, 32 images from maskaq, back-end minmax" in text(app)
    assert "Until then, this page shows a stored example" in text(app)
    assert metrics(app)["Q, W4A4"] == "88.0 %"


@pytest.mark.parametrize(
    "backend, included, excluded",
    [
        ("reconstruct", "QuaRot", "Eq. 16"),
        ("lsq-kd", "Eq. 16", "QuaRot"),
        ("mse", "Wilson", "QuaRot"),
    ],
)
def test_formulas_are_those_of_the_chosen_back_end(open_page, text, backend, included, excluded):
    shown = text(open_page(PAGE, backend=backend))
    assert included in shown
    assert excluded not in shown


def test_bad_values_in_the_address_are_named(open_page):
    bad = {
        "source": ("dreams", "maskaq"),
        "backend": ("magic", "reconstruct"),
        "first_last": ("9", "8"),
        "images": ("1e3", 32),
        "steps": ("301", 100),
        "mask_start": ("2", 0.5),
    }
    app = open_page(PAGE, **{key: value for key, (value, _) in bad.items()})
    assert not app.exception
    for key, (value, default) in bad.items():
        assert app.session_state[key] == default
        assert f"{key} = `{value}`" in app.warning[0].value


def test_the_stored_accuracy_follows_the_bit_widths_of_the_sidebar(open_page, text, cluster):
    app = open_page(PAGE)
    assert metrics(app)["Q at W4A4, back-end tails"] == "4.4 %"
    app.slider(key="weight_bits").set_value(7).run()
    app.slider(key="activation_bits").set_value(6).run()
    assert not app.exception
    assert metrics(app)["Q at W7A6, back-end tails"] == "7.6 %"
    assert metrics(app)["This run: Q at W4A4, reconstruct"] == "88.0 %"
    assert "Stored result for the images of the W4A4 example" in text(app)
    assert "n = 1,000" in text(app)
    assert not cluster.asked


def test_bit_widths_that_the_table_lacks_can_be_computed(open_page, monkeypatch):
    few = showcase.bits().head(5)
    monkeypatch.setattr(showcase, "bits", few.copy)
    app = open_page(PAGE)
    assert not app.exception
    assert not app.get_by_key("compute_accuracy").disabled
    assert "Q at W4A4, back-end tails" not in metrics(app)


def test_a_worker_computes_the_accuracy_for_new_images(open_page, press, cluster, text):
    cluster.answers["accuracy"] = lambda **asked: {
        "p": wilson(900, 1000),
        "q": wilson(100 * asked["weight_bits"], 1000),
        "agreement": wilson(700, 1000),
        "n": 1000,
        "backend": "mse",
        "seconds": 1.25,
    }
    app = press(open_page(PAGE, seed="5", first_last="target"), "Run")
    cluster.finish()
    app.run()
    assert not cluster.asked
    press(app, "Compute")
    assert metrics(app)["Q at W4A4, back-end mse"] == "40.0 %"
    assert "Computed on this machine in 1.2 s" in text(app)
    name, question = cluster.asked[-1]
    assert name == "accuracy"
    assert question["samples"].shape == (4, 3, 64, 64)
    assert (question["first_last"], question["n"]) == ("target", 1000)
    app.slider(key="weight_bits").set_value(7).run()
    assert not app.exception
    assert metrics(app)["Q at W7A4, back-end mse"] == "70.0 %"
    assert metrics(app)["This run: Q at W4A4, reconstruct"] == "88.0 %"


def test_all_sources_are_compared_and_missing_ones_are_named(open_page, text, workplace):
    app = open_page(PAGE)
    assert "Not computed with these settings: mimiq, psaq, sardfq, e2h, noise, real." in text(app)
    for source in ("noise", "real"):
        spec = spec_of("maskaq")
        spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
        stored.write(workplace / "examples" / source, spec)
    app.run()
    assert "Not computed with these settings: mimiq, psaq, sardfq, e2h." in text(app)
    chart = app.get_by_key("sources")
    for source in ("maskaq", "noise", "real"):
        assert f"Q from {source}" in chart.proto.spec


def test_a_back_end_without_steps_has_no_curve(open_page, text, workplace):
    spec = spec_of("maskaq")
    spec = replace(spec, fit=replace(spec.fit, backend="minmax"))
    stored.write(workplace / "examples" / "b", spec)
    drawn = stored.CURVES[stored.CURVES["stage"] == "synthesis"]
    drawn.to_parquet(workplace / "examples" / "b" / "curves.parquet")
    manifest.seal(workplace / "examples" / "b")
    app = open_page(PAGE, backend="minmax")
    assert not app.exception
    assert "The back-end minmax works in one pass" in text(app)


def test_the_tensor_report_is_a_table(open_page):
    tables = [frame.value for frame in open_page(PAGE).dataframe]
    report = next(table for table in tables if "sqnr_db" in table)
    assert len(report) == len(stored.TENSORS)
    assert set(report["tensor"]) == {row.tensor for row in stored.TENSORS}


def test_disagreements_are_shown_by_class(open_page, text):
    app = open_page(PAGE)
    assert "showing 35 of 35" in text(app)
    assert "Showing 16 of 35 images" in text(app)
    app.selectbox(key="apart_class").set_value("class 0").run()
    assert not app.exception
    assert "showing 35 of 35" in text(app)


def test_a_run_is_started_and_cancelled_and_hidden_from_others(open_page, press, cluster):
    app = press(open_page(PAGE, seed="5"), "Run")
    cluster.step("fit", 1, 3)
    assert "Fitting Q to the images, 1 of 3" in app.run().get("progress")[0].proto.text
    other = open_page(PAGE, seed="5")
    assert not other.get("progress")
    press(app, "Cancel")
    assert [run.state for run in cluster.records.values()] == ["cancelled"]
    assert "Cancelled" in app.info[0].value


def test_a_demo_shows_but_does_not_compute(open_page, text, monkeypatch, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert "This demo shows stored results" in text(app)
    assert app.button(key="quantize").disabled
    assert app.selectbox(key="first_last").disabled
    app.slider(key="weight_bits").set_value(7).run()
    assert metrics(app)["Q at W7A4, back-end tails"] == "7.4 %"
    assert not cluster.asked
    assert not cluster.warmed


def test_a_run_of_another_model_needs_its_weights(open_page, workplace):
    app = open_page(pages.QUANTIZE, model=model_hub.NAME)
    assert not app.exception
    assert app.button(key="quantize").disabled
    model_hub.cache(workplace)
    assert not app.run().button(key="quantize").disabled
