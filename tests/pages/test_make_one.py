"""The page Make one: its controls decide the run, which is shown while it runs and after."""

from dataclasses import replace

import pandas as pd
import pytest

from maskaq.config.presets import spec_of
from maskaq.intervals import wilson
from maskaq.precomputed import showcase
from maskaq.quantization.tensor_row import TensorRow
from maskaq.results import artifacts, manifest
from maskaq.ui.state import pages, stored_runs
from tests.support import model_hub, stored

PAGE = pages.MAKE_ONE
TERMS = ("one_hot", "tv", "inter_head", "entropy", "align")
TABS = pytest.mark.parametrize("tab", PAGE.tabs)


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


def requested(cluster):
    """The settings of the last run that was started."""
    return list(cluster.records.values())[-1].spec


def images(app):
    return [image for kind in ("imgs", "image", "images") for image in app.get(kind)]


def captions(app):
    return " ".join(
        one.caption for block in images(app) for one in getattr(block.proto, "imgs", ())
    )


def test_it_opens_with_the_images_of_a_finished_run(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    shown = text(app)
    assert "32 images from the source maskaq: P recognises the intended class in 97 %" in shown
    assert "Stored example" in shown
    assert "Not computed yet" not in shown
    assert "Showing 4 of 4" in shown


def test_the_result_is_a_sentence_before_a_figure(open_page, text, drawn):
    app = open_page(PAGE, make="Result")
    assert not app.exception
    shown = text(app)
    assert "**At W4A4 the quantized model keeps 97.8 % of the accuracy**: 88.0 % of 500" in shown
    assert "P and Q agree on 93.0 % (90.0 to 95.0 %) of the images" in shown
    assert "Simulated arithmetic" in shown
    assert drawn(app, "Accuracy on 500 images")


@TABS
def test_the_formulas_and_numbers_are_in_one_place(open_page, tab):
    app = open_page(PAGE, make=tab)
    assert not app.latex
    assert not app.dataframe
    app.session_state["details"] = True
    app.run()
    assert not app.exception
    assert app.latex
    assert len(app.dataframe) == len(app.get("plotly_chart"))


def test_every_control_reaches_the_run(open_page, press, cluster):
    app = open_page(PAGE, weight_bits="3", activation_bits="5", mask_ratio="0.2", seed="7")
    app.selectbox(key="backend").set_value("mse")
    app.selectbox(key="first_last").set_value("target")
    app.selectbox(key="scheme").set_value("integer")
    app.selectbox(key="average_bits").set_value("2.5")
    app.slider(key="images").set_value(8)
    app.slider(key="steps").set_value(20)
    app.slider(key="mask_start").set_value(0.8)
    app.slider(key="eval_images").set_value(1000)
    app.number_input(key="entropy").set_value(0.5)
    app.toggle(key="use_align").set_value(False).run()
    press(app, "Run")
    spec = requested(cluster)
    synthesis = spec.synthesis
    assert (synthesis.images, synthesis.steps, synthesis.mask_ratio) == (8, 20, (0.8, 0.2))
    assert (spec.fit.backend, spec.eval_images, spec.seed) == ("mse", 1000, 7)
    assert (spec.quantization.pair, spec.quantization.first_last) == ("W3A5", "target")
    assert (spec.quantization.scheme, spec.quantization.average_bits) == ("integer", 2.5)
    assert synthesis.coefficients.entropy == 0.5
    assert synthesis.coefficients.align == 0
    assert synthesis.coefficients.one_hot == 1


@pytest.mark.parametrize("term", TERMS)
def test_each_term_can_be_switched_off(open_page, press, cluster, text, term):
    app = open_page(PAGE)
    app.toggle(key=f"use_{term}").set_value(False).run()
    assert "Switched off: " in text(app)
    press(app, "Run")
    off = {name for name in TERMS if not getattr(requested(cluster).synthesis.coefficients, name)}
    assert off == {term}


def test_a_synthesis_without_any_term_is_refused(open_page):
    app = open_page(PAGE, **{f"use_{term}": "false" for term in TERMS})
    assert not app.exception
    assert "All terms are off" in app.error[0].value
    assert not [button for button in app.button if button.label == "Run"]


def test_controls_without_effect_are_disabled(open_page):
    app = open_page(PAGE, source="noise")
    assert app.slider(key="steps").disabled
    assert app.slider(key="mask_start").disabled
    assert all(app.toggle(key=f"use_{term}").disabled for term in TERMS)
    app.selectbox(key="source").set_value("mimiq").run()
    assert not app.slider(key="steps").disabled
    off = {term for term in TERMS if app.toggle(key=f"use_{term}").disabled}
    assert off == {"entropy", "align"}


@pytest.mark.parametrize(
    "source, terms",
    [
        ("psaq", "Class 1, Patch entropy 1, Smoothness target 0.05"),
        ("sardfq", "Smoothness 0.05, Soft label 1, Attention prior 0.01"),
        ("e2h", "Class 1, Smoothness 2.5e-05"),
    ],
)
def test_a_source_with_its_own_terms_names_them(open_page, press, cluster, text, source, terms):
    app = open_page(PAGE, source=source, entropy="0.5", use_tv="false")
    assert not app.exception
    assert not app.error
    assert f"has fixed terms and weights: {terms}." in text(app)
    press(app, "Run")
    spec = requested(cluster)
    assert spec.synthesis.source == source
    assert spec.synthesis.coefficients == spec_of("maskaq").synthesis.coefficients


def test_bad_values_in_the_address_are_named(open_page):
    bad = {
        "make": ("Bake", "Draw"),
        "source": ("dreams", "maskaq"),
        "backend": ("magic", "reconstruct"),
        "first_last": ("9", "8"),
        "images": ("1e3", 32),
        "steps": ("301", 40),
        "mask_start": ("0.33", 0.5),
        "entropy": ("-1", 1.0),
        "tv": ("nan", 2.5e-5),
        "use_align": ("maybe", True),
        "eval_images": ("150", 5000),
    }
    app = open_page(PAGE, **{key: value for key, (value, _) in bad.items()})
    assert not app.exception
    for key, (value, default) in bad.items():
        assert app.session_state[key] == default
        assert f"{key} = `{value}`" in app.warning[0].value


@TABS
def test_settings_without_a_run_show_no_result_of_others(open_page, text, tab):
    app = open_page(PAGE, make=tab, backend="minmax")
    assert not app.exception
    shown = text(app)
    assert "Not computed yet: W4A4, 32 images from maskaq, back-end minmax" in shown
    assert "88.0" not in shown
    assert "recognises" not in shown
    charts = [chart.proto.spec for chart in app.get("plotly_chart")]
    assert all("Top-1 of Q from maskaq" in chart for chart in charts)  # of all bit widths


def test_the_stored_examples_are_one_click_away(open_page, text):
    app = open_page(PAGE, weight_bits="3", activation_bits="5")
    assert "Not computed yet: W3A5" in text(app)
    app.button(key="offer_example_W4A4").click().run()
    assert not app.exception
    assert app.slider(key="weight_bits").value == app.slider(key="activation_bits").value == 4
    assert "Not computed yet" not in text(app)


def test_the_formulas_are_those_of_the_chosen_back_end(open_page, text, workplace):
    for backend, included, excluded in (
        ("reconstruct", "QuaRot", "Eq. 16"),
        ("lsq-kd", "Eq. 16", "QuaRot"),
    ):
        spec = spec_of("maskaq")
        spec = replace(spec, fit=replace(spec.fit, backend=backend)).canonical(spec)
        stored.write(workplace / "examples" / backend, spec)
        app = open_page(PAGE, make="Fit", backend=backend)
        app.session_state["details"] = True
        shown = text(app.run())
        assert included in shown
        assert excluded not in shown


def test_the_accuracy_at_other_bits_follows_the_sidebar(open_page, text, cluster):
    app = open_page(PAGE, make="Result", result="Other bits")
    assert "**At W4A4 with these images: 4.4 %** of 1,000 scenes right" in text(app)
    app.slider(key="weight_bits").set_value(7).run()
    app.slider(key="activation_bits").set_value(6).run()
    assert not app.exception
    assert "**At W7A6 with these images: 7.6 %**" in text(app)
    assert "Stored result for the images of the W4A4 example" in text(app)
    assert not cluster.asked


def test_bit_widths_that_the_table_lacks_can_be_computed(open_page, monkeypatch, text):
    few = showcase.bits().head(5)
    monkeypatch.setattr(showcase, "bits", few.copy)
    app = open_page(PAGE, make="Result", result="Other bits")
    assert not app.exception
    assert not app.get_by_key("compute_accuracy").disabled
    assert "with these images" not in text(app)


def test_a_worker_computes_the_accuracy_for_new_images(open_page, press, cluster, text):
    cluster.answers["accuracy"] = lambda **asked: {
        "p": wilson(900, 1000),
        "q": wilson(100 * asked["weight_bits"], 1000),
        "agreement": wilson(700, 1000),
        "n": 1000,
        "backend": "mse",
        "seconds": 1.25,
    }
    app = open_page(PAGE, seed="5", first_last="target", make="Result", result="Other bits")
    press(app, "Run")
    cluster.finish()
    app.run()
    assert not cluster.asked
    press(app, "Compute")
    assert "**At W4A4 with these images: 40.0 %**" in text(app)
    assert "Computed on this machine in 1.2 s" in text(app)
    name, question = cluster.asked[-1]
    assert name == "accuracy"
    assert question["samples"].shape == (4, 3, 64, 64)
    assert (question["first_last"], question["n"]) == ("target", 1000)


def test_all_sources_are_compared_and_missing_ones_are_named(open_page, text, workplace):
    app = open_page(PAGE, make="Result", result="Sources")
    assert "Not computed with these settings: mimiq, psaq, sardfq, e2h, noise, real." in text(app)
    for source in ("noise", "real"):
        spec = spec_of("maskaq")
        spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
        stored.write(workplace / "examples" / source, spec)
    app.run()
    shown = text(app)
    assert "Not computed with these settings: mimiq, psaq, sardfq, e2h." in shown
    assert "cannot be told apart" in shown
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
    app = open_page(PAGE, make="Fit", backend="minmax")
    assert not app.exception
    assert "The back-end minmax works in one pass" in text(app)


def test_a_run_without_any_step_opens(open_page, text, workplace):
    """Real images, and ranges alone: nothing is optimised, so no step is stored."""
    spec = spec_of("maskaq")
    spec = replace(
        spec,
        synthesis=replace(spec.synthesis, source="real"),
        fit=replace(spec.fit, backend="minmax"),
    )
    stored.write(workplace / "examples" / "b", spec)
    pd.DataFrame().to_parquet(workplace / "examples" / "b" / "curves.parquet")
    manifest.seal(workplace / "examples" / "b")
    for tab in ("Draw", "Fit", "Result"):
        app = open_page(PAGE, make=tab, source="real", backend="minmax")
        assert not app.exception
    app = open_page(PAGE, make="Fit", source="real", backend="minmax")
    assert "The back-end minmax works in one pass" in text(app)


def test_every_scheme_can_be_chosen(open_page, text):
    app = open_page(PAGE, scheme="foldable")
    assert app.selectbox(key="scheme").options == ["auto", "foldable", "integer"]
    assert "Not computed yet: W4A4 foldable" in text(app)


def test_mixed_precision_shows_a_bar_per_layer(open_page, text, drawn, workplace, monkeypatch):
    bits = {"patch_embed.proj": 8, "blocks.0.attn.qkv": 4, "blocks.0.mlp.fc1": 3, "head": 8}
    rows = [
        TensorRow(f"{name}.weight", "weight", n, "channel", "uniform", -1.0, 1.0, 0.001, 16.0)
        for name, n in bits.items()
    ]
    monkeypatch.setattr(stored, "TENSORS", tuple(rows))
    spec = spec_of("maskaq")
    spec = replace(spec, quantization=replace(spec.quantization, average_bits=3.5))
    stored.write(workplace / "examples" / "b", spec)
    app = open_page(PAGE, make="Fit", average_bits="3.5")
    assert "W3.5A4 mixed" in text(app)
    assert "qkv of block 0 has the most bits (4) and fc1 of block 0 has the fewest (3)" in text(app)
    bars = drawn(app, "Bits of 4 layers, 3.5 on average")["data"]
    heights = {x: y for bar in bars for x, y in zip(bar["x"], bar["y"], strict=True)}
    assert heights == {"patch_embed.proj": 8, "block 0, qkv": 4, "block 0, fc1": 3, "head": 8}
    app.selectbox(key="average_bits").set_value("off").run()
    assert "mixed" not in text(app)


def test_every_tensor_can_be_read(open_page, text):
    app = open_page(PAGE, make="Fit")
    assert "Most is lost in blocks.0.weight (weight, 4 bits): 16.0 dB" in text(app)
    box = app.selectbox(key="tensor")
    assert box.options == [row.tensor for row in stored.TENSORS if row.quantized]
    box.set_value("blocks.1.softmax").run()
    assert "**softmax**, 4 bits, SQNR 20.0 dB" in text(app)


def test_disagreements_are_shown_by_class(open_page, text, drawn):
    app = open_page(PAGE, make="Result", result="Disagreements")
    assert "P and Q disagree on 35 of 500 images" in text(app)
    assert "Showing 16 of 35 images" in text(app)
    assert drawn(app, "Disagreement by true class")["data"][0]["y"] == ["class 0"]
    app.selectbox(key="apart_class").set_value("class 0").run()
    assert not app.exception
    assert "Showing 16 of 35 images" in text(app)


def test_a_run_is_shown_while_it_runs_and_after(open_page, press, cluster, text):
    app = press(open_page(PAGE, seed="5"), "Run")
    for step in (1, 2):
        cluster.step("synthesis", step, 3)
    app.run()
    assert "Making images, 2 of 3" in app.get("progress")[0].proto.text
    (chart,) = app.get("plotly_chart")
    assert "loss (synthesis)" in chart.proto.spec
    assert images(app)
    cluster.finish()
    app.run()
    assert not app.get("progress")
    assert "Computed on this machine" in text(app)


def test_the_last_result_stays_while_the_next_run_is_at_work(open_page, press, cluster, text):
    app = press(open_page(PAGE, seed="5"), "Run")
    cluster.finish()
    app.run()
    app.number_input(key="seed").set_value(6).run()
    press(app, "Run")
    assert "Your last result: W4A4, 32 images from maskaq" in text(app)
    assert "seed 5. Q is right on 88.0 % of 500 images" in text(app)


def test_a_run_is_cancelled_and_hidden_from_others(open_page, press, cluster):
    app = press(open_page(PAGE, seed="5"), "Run")
    cluster.step("fit", 1, 3)
    assert "Fitting Q to the images, 1 of 3" in app.run().get("progress")[0].proto.text
    other = open_page(PAGE, seed="5")
    assert not other.get("progress")
    assert not other.button(key="run").disabled
    press(app, "Cancel")
    assert [run.state for run in cluster.records.values()] == ["cancelled"]
    assert any("Cancelled" in info.value for info in app.info)


def test_scrubbing_shows_another_step(open_page):
    app = open_page(PAGE)
    slider = app.select_slider(key="scrub")
    assert slider.value == 3
    assert "After step 3 of 40, mask ratio 0.10" in captions(app)
    slider.set_value(1).run()
    assert "After step 1 of 40, mask ratio 0.50" in captions(app)


def test_the_answers_of_p_and_q_are_below_each_image(open_page):
    app = open_page(PAGE)
    assert "**class 2**  \nP: class 2 75 %  \nQ: class 2 75 %" in captions(app)
    assert "**class 3**  \nP: class 3 75 %  \nQ: class 2 75 %" in captions(app)


def test_the_mask_ratio_decides_how_much_is_darkened(open_page, monkeypatch, workplace):
    drawn = []
    from maskaq.ui.sections import sample_gallery

    monkeypatch.setattr(
        sample_gallery, "tiles", lambda pictures, *words: drawn.append(pictures.copy())
    )
    half = spec_of("maskaq")
    half = replace(
        half,
        synthesis=replace(half.synthesis, mask_ratio=(0.5, 0.5)),
        fit=replace(half.fit, mask_ratio=0.5),
    )
    stored.write(workplace / "examples" / "half", half)
    app = open_page(PAGE)
    app.toggle(key="gallery_dim").set_value(True).run()
    app.slider(key="mask_ratio").set_value(0.5).run()
    assert not app.exception
    plain, few, many = ((pictures == 7).mean() for pictures in (drawn[0], drawn[-2], drawn[-1]))
    assert plain == 1
    assert few == pytest.approx(6 / 64)
    assert many == pytest.approx(32 / 64)


def test_an_old_run_without_evidence_still_opens(open_page, text, workplace):
    stored.without(workplace / "examples" / "a", *artifacts.FILES)
    stored_runs._read.cache_clear()
    app = open_page(PAGE)
    assert not app.exception
    assert "stored without its images" in text(app)
    assert "stored without frames" in text(app)


@TABS
def test_a_demo_shows_but_does_not_compute(open_page, text, monkeypatch, cluster, tab):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE, make=tab)
    assert not app.exception
    assert "This demo shows stored results" in text(app)
    for key in ("images", "steps", "mask_start", "eval_images"):
        assert app.slider(key=key).disabled
    assert app.selectbox(key="first_last").disabled
    assert all(app.toggle(key=f"use_{term}").disabled for term in TERMS)
    assert app.button(key="run").disabled
    assert "Stored example" in text(app)
    assert not cluster.asked
    assert not cluster.warmed


def test_a_run_of_another_model_needs_its_weights(open_page, workplace):
    app = open_page(PAGE, model=model_hub.NAME)
    assert not app.exception
    assert app.button(key="run").disabled
    model_hub.cache(workplace)
    assert not app.run().button(key="run").disabled


def test_what_was_left_out_is_said_with_the_result(open_page, workplace):
    stored.write(workplace / "runs" / "app" / "a", notes=("left out 3 broken links: a",))
    (workplace / "examples" / "a" / "result.json").unlink()
    app = open_page(PAGE, make="Result")
    assert not app.exception
    assert r"- left out 3 broken links\: a" in [box.value for box in app.info]


def test_the_scheme_decides_which_run_is_shown(open_page, text, shipped):
    app = open_page(PAGE, weight_bits="8", activation_bits="8", make="Result", scheme="integer")
    assert not app.exception
    assert "Not computed yet: W8A8 integer" in text(app)
    app.selectbox(key="scheme").select("auto").run()
    assert "Stored example" in text(app)
    app = open_page(PAGE, weight_bits="4", activation_bits="8", make="Result")
    assert "Not computed yet: W4A8" in text(app)  # stored with the integer scheme only
    app = open_page(PAGE, weight_bits="3", make="Result", scheme="integer")
    said = text(app)
    assert "Not computed yet: W3A4 integer" in said
    assert "right (95 %" not in said  # the stored table has other grids
    assert "Compute" in {button.label for button in app.button}
