"""The tab Similarity of Look inside: three kinds of stored pictures, and the visitor's own."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs, uploads
from tests.support import model_hub

MATRIX, SPREAD, ROW = "all pairs of patches", "distribution of", "patches similar to"
THREE, DURING = "Noise, scenes, synthetic", "During synthesis"
NAMES = {"noise": "Noise", "scene": "Scene", "synthetic": "Synthetic"}


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(pages.LOOK_INSIDE, look="Similarity", **params)


def title(figure):
    return figure["layout"]["title"]["text"]


def heat(figure):
    (found,) = (trace["z"] for trace in figure["data"] if trace["type"] == "heatmap")
    return np.asarray(found)


@pytest.mark.parametrize("kind", showcase.KINDS)
def test_the_kind_of_picture_decides_what_is_drawn(kind, look, drawn, text):
    app = look(kind=kind, block="2")
    assert not app.exception
    assert not app.warning
    figure, found = drawn(app, MATRIX), showcase.similarity(kind, 2)
    np.testing.assert_allclose(heat(figure), found.matrix)
    assert title(figure).startswith(NAMES[kind])
    bars, bell, density = drawn(app, SPREAD)["data"]
    assert (np.asarray(bars["y"]) * np.asarray(bars["width"])).sum() == pytest.approx(1, abs=1e-3)
    assert max(bell["y"]) == pytest.approx(1 / (found.std * np.sqrt(2 * np.pi)), rel=0.02)
    assert max(density["y"]) == pytest.approx(found.kde_y.max(), rel=0.02)
    assert f"n = {64 * 63 // 2:,} pairs" in title(drawn(app, SPREAD))
    assert f"entropy {found.gaussian:.2f} nats" in text(app)
    assert ("Two informative patches have a similarity" in text(app)) == (kind == "scene")


def test_the_row_of_the_chosen_patch_is_a_map_over_the_picture(look, drawn):
    app = look(patch="7", block="4")
    matrix = showcase.similarity("scene", 4).matrix
    np.testing.assert_allclose(heat(drawn(app, ROW)).ravel(), matrix[7])
    frame = drawn(app, MATRIX)["layout"]["shapes"][0]
    assert (frame["y0"], frame["y1"]) == (6.5, 7.5)
    app.number_input(key="patch").set_value(30).run()
    np.testing.assert_allclose(heat(drawn(app, ROW)).ravel(), matrix[30])
    rows = [one for one in drawn(app, MATRIX)["data"] if one.get("customdata") is not None]
    places = zip(rows[0]["y"], rows[0]["customdata"], strict=True)
    assert all(place == value[0] for place, value in places)


def test_the_mean_over_blocks_is_a_mean(look, drawn, text):
    app = look()
    matrix = np.mean([showcase.similarity("scene", block).matrix for block in range(6)], 0)
    np.testing.assert_allclose(heat(drawn(app, MATRIX)), matrix, rtol=1e-5)
    assert len(drawn(app, SPREAD)["data"]) == 2  # no kernel density
    std = matrix[np.triu_indices(64, 1)].std()
    assert f"vary by {std:.2f}" in text(app)
    assert "mean over blocks" in text(app)


def test_the_image_decides_which_of_each_kind(look, drawn, text):
    for kind, name in NAMES.items():
        app = look(image="4", block="3", kind=kind)
        expected = showcase.similarity(kind, 3, 4)
        np.testing.assert_allclose(heat(drawn(app, MATRIX)), expected.matrix)
        assert f"{name} 4: " in text(app)


def test_entropy_is_explained(look, text):
    assert "nats (units of the natural logarithm)" in text(look())


def test_block_by_block_has_means_with_intervals_and_a_verdict(look, drawn, text):
    app = look(pairs=THREE, block="0")
    figure = drawn(app, "mean of 32 images each")
    table = showcase.entropies()
    assert [trace["name"] for trace in figure["data"]] == [
        f"{kind}, {estimate}"
        for kind in dict.fromkeys(table["kind"])
        for estimate in ("Gaussian", "kernel")
    ]
    first = table[table["kind"] == table["kind"][0]]
    np.testing.assert_allclose(figure["data"][0]["y"], first["gaussian"])
    np.testing.assert_allclose(
        figure["data"][0]["error_y"]["array"], first["gaussian_high"] - first["gaussian"]
    )
    one = table[table["block"] == 0].set_index("kind")["gaussian"]
    gap = one["synthetic"] - one["scene"]
    assert f"In block 0 synthetic has the widest spread, by {gap:.2f} nats" in text(app)
    assert "n = 32 images each" in text(app)


def answer(**question):
    """As `maskaq.queries.attention.similarity` for a model with 12 blocks and equal patches."""
    matrix = np.ones((196, 196), np.float32)
    block = showcase.Similarity(
        matrix=matrix,
        values=matrix[np.triu_indices(196, 1)],
        mean=1.0,
        std=0.0,
        kde_x=np.linspace(0.9, 1.1, 128, dtype=np.float32),
        kde_y=np.ones(128, np.float32),
        gaussian=-7.8,
        kernel=-5.0,
    )
    return {"image": np.zeros((3, 224, 224), np.uint8), "blocks": [block._asdict()] * 12}


def test_another_model_is_computed_on_request(look, press, cluster, drawn, text, workplace):
    model_hub.cache(workplace)
    cluster.answers["similarity"] = answer
    app = look(model="deit_tiny_patch16_224", block="11")
    assert not app.exception
    assert not cluster.asked
    press(app, "Compute")
    assert not app.exception
    ((name, question),) = cluster.asked
    assert (name, set(question)) == ("similarity", {"model", "weights", "picture"})
    assert "entropy -7.80 nats" in text(app)
    assert title(drawn(app, "Your image: all pairs")).endswith("196 patches")
    app.session_state["pairs"] = THREE
    app.run()
    assert not app.get("plotly_chart")  # what is stored is about the bundled model
    press(app, "scenes_vit")
    assert drawn(app, "mean of 32 images each")


def test_an_uploaded_picture_is_computed(look, press, cluster, text, drawn):
    cluster.answers["similarity"] = lambda **asked: {
        "image": np.zeros((3, 64, 64), np.uint8),
        "blocks": [showcase.similarity("noise", block)._asdict() for block in range(6)],
    }
    picture = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 40, np.uint8)).save(picture, "PNG")
    app = look(block="5")
    app.file_uploader(key=uploads.UPLOAD).upload("mine.png", picture.getvalue()).run()
    assert "knows only ten garments" in app.warning[0].value
    press(app, "Compute")
    assert (cluster.asked[0][1]["picture"] == 40).all()
    assert "Your image: the similarities vary" in text(app)
    assert title(drawn(app, MATRIX)).startswith("Your image")


def test_a_demo_computes_nothing(look, monkeypatch, cluster, workplace):
    model_hub.cache(workplace)
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = look(model="deit_tiny_patch16_224")
    assert not app.exception
    (button,) = (button for button in app.button if button.label == "Compute")
    assert button.disabled
    assert not cluster.asked


def test_the_entropy_during_synthesis_is_that_of_the_chosen_bits(
    look, set_bits, press, text, drawn, shipped
):
    app = look(pairs=DURING)
    runs = {
        run.result.spec.quantization.name: run
        for run in stored_runs.presets("scenes_vit")
        if run.result.spec.synthesis.source == "maskaq"
    }
    assert runs
    for bits in list(runs)[:4]:
        set_bits(app, bits)
        assert not app.exception
        assert f"Source maskaq, {bits}" in text(app)
        line = drawn(app, "Similarity entropy over")["data"][0]
        curve = runs[bits].curves[runs[bits].curves["stage"] == "synthesis"]
        np.testing.assert_allclose(line["y"], -curve["entropy"], atol=1e-6)
    set_bits(app, "W7A2")
    assert not app.get("plotly_chart")
    assert "No run at W7A2 that measured the entropy is stored." in text(app)
    press(app, "W4A4")
    assert drawn(app, "Similarity entropy over")


def test_without_a_measured_run_a_note_is_shown(look, text):
    app = look(pairs=DURING)  # the made-up example has no entropy
    assert not app.exception
    assert "No stored run of this model has measured the entropy" in text(app)


def test_bad_values_in_the_address_are_named(look):
    app = look(kind="photo")
    assert not app.exception
    assert app.session_state["kind"] == "scene"
    assert "kind = `photo`. Allowed: noise, scene, synthetic" in app.warning[0].value
