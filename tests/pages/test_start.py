"""The page Start: the story for the selected settings, with stored results."""

from __future__ import annotations

from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs


def run_of(source, bits):
    (found,) = (
        run.result
        for run in stored_runs.presets()
        if (run.result.spec.synthesis.source, run.result.spec.quantization.name) == (source, bits)
    )
    return found


def test_it_tells_the_story_at_every_stored_bit_width(open_page, set_bits, shipped, text, numbers):
    app = open_page(pages.START)
    for bits in showcase.BITS:
        set_bits(app, bits)
        assert not app.exception
        story, shown = text(app), numbers(app)
        assert f"(`{bits}`)" in story
        assert "No result for" not in story
        maskaq, noise = run_of("maskaq", bits), run_of("noise", bits)
        assert shown["P, full precision"] == f"{maskaq.fp.top1:.1%}".replace("%", " %")
        assert shown["Q from maskaq"] == f"{maskaq.q.top1:.1%}".replace("%", " %")
        assert shown["Q from noise"] == f"{noise.q.top1:.1%}".replace("%", " %")
        assert f"n = {maskaq.evaluated:,}" in story
        assert "95 % interval" in story
        assert "Simulated arithmetic" in story
        assert "Stored example, shipped with maskaq" in story


def test_the_image_decides_which_scene_is_shown(open_page, drawn):
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


def test_bit_widths_that_are_not_stored_are_named(open_page, shipped, text):
    app = open_page(pages.START, weight_bits="5", activation_bits="5")
    assert "No result for W5A5 ships with maskaq, so this section shows W4A4." in text(app)


def test_without_a_stored_run_the_rest_is_shown(open_page, monkeypatch, tmp_path, text):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "nothing")
    app = open_page(pages.START)
    assert not app.exception
    assert "has no stored result" in text(app)
    assert len(app.get("plotly_chart")) == 2


def test_it_links_to_every_other_page(open_page):
    app = open_page(pages.START)
    links = [link.proto.label for link in app.main.get("page_link")]
    assert links == [page.title for page in pages.PAGES[1:]]


def test_for_another_model_it_says_that_the_story_is_about_the_example(open_page, text):
    app = open_page(pages.START, model="deit_tiny_patch16_224")
    assert not app.exception
    assert "This page shows a stored example" in text(app)
    assert "This page shows a stored example" not in text(open_page(pages.START))


def test_a_demo_tells_the_same_story(open_page, monkeypatch, shipped, numbers):
    usual = numbers(open_page(pages.START))
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(pages.START)
    assert not app.exception
    assert numbers(app) == usual
