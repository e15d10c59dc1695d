"""The page Synthesis: its controls decide the run, which is shown while it runs and after."""

import pytest

from maskaq.config.presets import spec_of
from maskaq.results import artifacts
from maskaq.ui.state import pages, stored_runs
from tests.support import stored

PAGE = pages.SYNTHESIS
TERMS = ("one_hot", "tv", "inter_head", "entropy", "align")


def requested(cluster):
    """The settings of the last run that was started."""
    return list(cluster.records.values())[-1].spec


def images(app):
    return [image for kind in ("imgs", "image", "images") for image in app.get(kind)]


def test_it_opens_with_a_finished_run(open_page, text):
    app = open_page(PAGE)
    assert not app.exception
    assert "Stored example" in text(app)
    assert "Not computed yet" not in text(app)
    assert "P recognises the intended class in 97% of them" in text(app)
    assert "n = 32" in text(app)
    assert "Showing 4 of 4" in text(app)
    assert len(app.get("plotly_chart")) == 1
    assert len(app.get("download_button")) >= 4


def test_every_control_reaches_the_run(open_page, press, cluster):
    app = open_page(PAGE, weight_bits="3", mask_ratio="0.2", seed="7")
    app.slider(key="images").set_value(8)
    app.slider(key="steps").set_value(20)
    app.slider(key="mask_start").set_value(0.8)
    app.slider(key="eval_images").set_value(1000)
    app.selectbox(key="backend").set_value("minmax")
    app.number_input(key="entropy").set_value(0.5)
    app.toggle(key="use_align").set_value(False).run()
    press(app, "Run")
    spec = requested(cluster)
    synthesis = spec.synthesis
    assert (synthesis.images, synthesis.steps, synthesis.mask_ratio) == (8, 20, (0.8, 0.2))
    assert (spec.fit.backend, spec.eval_images, spec.seed) == ("minmax", 1000, 7)
    assert spec.quantization.weight_bits == 3
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


def test_a_synthesis_without_any_term_is_refused(open_page, text):
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
    app.selectbox(key="source").set_value("sardfq").run()
    assert not app.slider(key="steps").disabled
    assert all(app.toggle(key=f"use_{term}").disabled for term in TERMS)


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
        "source": ("dreams", "maskaq"),
        "images": ("65", 32),
        "steps": ("9", 100),
        "mask_start": ("0.33", 0.5),
        "entropy": ("-1", 1.0),
        "tv": ("nan", 2.5e-5),
        "use_align": ("maybe", True),
        "backend": ("magic", "reconstruct"),
        "eval_images": ("150", 5000),
        "first_last": ("9", "8"),
    }
    app = open_page(PAGE, **{key: value for key, (value, _) in bad.items()})
    assert not app.exception
    for key, (value, default) in bad.items():
        assert app.session_state[key] == default
        assert f"{key} = `{value}`" in app.warning[0].value


def test_a_run_is_shown_while_it_runs_and_after(open_page, press, cluster, text):
    app = press(open_page(PAGE, seed="5"), "Run")
    for step in (1, 2):
        cluster.step("synthesis", step, 3)
        run = cluster.current
        rows = [row | {"entropy": 0.5, "mask_ratio": 0.4 / row["step"]} for row in run.rows]
        cluster.change(run.id, rows=rows)
    app.run()
    assert "Making images, 2 of 3" in app.get("progress")[0].proto.text
    (chart,) = app.get("plotly_chart")
    for name in ("loss", "entropy", "mask ratio"):
        assert f"{name} (synthesis)" in chart.proto.spec
    assert images(app)
    cluster.finish()
    app.run()
    assert not app.get("progress")
    assert "Computed on this machine" in text(app)


def test_cancel_stops_the_run(open_page, press, cluster):
    app = press(open_page(PAGE, seed="5"), "Run")
    press(app, "Cancel")
    assert [run.state for run in cluster.records.values()] == ["cancelled"]
    assert "Cancelled" in app.info[0].value


def test_scrubbing_shows_another_step(open_page, text):
    app = open_page(PAGE)
    slider = app.select_slider(key="scrub")
    assert slider.value == 3
    assert "After step 3 of 100, mask ratio 0.10" in captions(app)
    slider.set_value(1).run()
    assert "After step 1 of 100, mask ratio 0.50" in captions(app)
    assert "line at step 1" in app.get("plotly_chart")[0].proto.spec


def captions(app):
    return " ".join(
        one.caption for block in images(app) for one in getattr(block.proto, "imgs", ())
    )


def test_the_answers_of_p_and_q_are_below_each_image(open_page):
    app = open_page(PAGE)
    assert "**class 2**  \nP: class 2 75 %  \nQ: class 2 75 %" in captions(app)
    assert "**class 3**  \nP: class 3 75 %  \nQ: class 2 75 %" in captions(app)


def test_the_mask_ratio_decides_how_much_is_darkened(open_page, monkeypatch):
    drawn = []
    from maskaq.ui.sections import sample_gallery

    monkeypatch.setattr(
        sample_gallery, "tiles", lambda pictures, *words: drawn.append(pictures.copy())
    )
    app = open_page(PAGE)
    app.toggle(key="gallery_dim").set_value(True).run()
    app.slider(key="mask_ratio").set_value(0.5).run()
    assert not app.exception
    plain, few, half = ((pictures == 7).mean() for pictures in (drawn[0], drawn[-2], drawn[-1]))
    assert plain == 1
    assert few == pytest.approx(6 / 64)
    assert half == pytest.approx(32 / 64)


def test_an_old_run_without_evidence_still_opens(open_page, text, workplace):
    stored.without(workplace / "examples" / "a", *artifacts.FILES)
    stored_runs._read.cache_clear()
    app = open_page(PAGE)
    assert not app.exception
    assert "stored without its images" in text(app)
    assert "stored without frames" in text(app)


def test_a_demo_shows_but_does_not_compute(open_page, text, monkeypatch, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE)
    assert not app.exception
    assert "This demo shows stored results" in text(app)
    for key in ("images", "steps", "mask_start", "eval_images"):
        assert app.slider(key=key).disabled
    assert all(app.toggle(key=f"use_{term}").disabled for term in TERMS)
    assert app.button(key="synthesis").disabled
    assert app.select_slider(key="scrub").value == 3
    assert not cluster.records
    assert not cluster.warmed


def test_a_run_is_hidden_from_others(open_page, press, cluster):
    press(open_page(PAGE, seed="5"), "Run")
    cluster.step("synthesis", 1, 3)
    other = open_page(PAGE, seed="5")
    assert not other.get("progress")
    assert not other.button(key="synthesis").disabled
