"""The page Similarity: three kinds of stored pictures, and the visitor's own."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs, uploads
from tests.support import model_hub

MATRIX, SPREAD = "pairs of patches (", "distribution of"
NAMES = {"noise": "Noise", "scene": "Scene", "synthetic": "Synthetic"}


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(pages.SIMILARITY, **params)


def matrix(figure):
    return figure["data"][0]["z"]


def title(figure):
    return figure["layout"]["title"]["text"]


def entropy(kind, block, image=0):
    return f"{showcase.similarity(kind, block, image).gaussian:.2f} nats"


def test_it_opens_at_every_stored_bit_width(look, set_bits, text, drawn, numbers, shipped):
    app = look()
    runs = {
        run.result.spec.quantization.name: run
        for run in stored_runs.presets()
        if run.result.spec.synthesis.source == "maskaq"
    }
    assert set(runs) == set(showcase.BITS)
    for bits, run in runs.items():
        set_bits(app, bits)
        assert not app.exception
        assert numbers(app)["Entropy: scene"] == entropy("scene", 5)
        assert f"source maskaq, {bits}" in text(app)
        line = drawn(app, "Similarity entropy over")["data"][0]
        curve = run.curves[run.curves["stage"] == "synthesis"]
        np.testing.assert_allclose(line["y"], -curve["entropy"], atol=1e-6)


@pytest.mark.parametrize("kind", showcase.KINDS)
def test_the_kind_of_picture_decides_what_is_drawn(kind, look, drawn):
    app = look(kind=kind, block="2")
    assert not app.warning
    figure = drawn(app, MATRIX)
    np.testing.assert_allclose(matrix(figure), showcase.similarity(kind, 2).matrix)
    assert title(figure).startswith(NAMES[kind])
    bars, bell, density = drawn(app, SPREAD)["data"]
    found = showcase.similarity(kind, 2)
    assert (np.asarray(bars["y"]) * np.asarray(bars["width"])).sum() == pytest.approx(1, abs=1e-3)
    assert max(bell["y"]) == pytest.approx(1 / (found.std * np.sqrt(2 * np.pi)), rel=0.02)
    assert max(density["y"]) == pytest.approx(found.kde_y.max(), rel=0.02)
    assert f"n = {64 * 63 // 2:,} pairs" in title(drawn(app, SPREAD))


def test_the_block_decides_what_is_drawn(look, drawn, numbers, text):
    app = look()
    assert "The last block." in text(app)
    assert numbers(app)["Entropy: noise"] == entropy("noise", 5)
    app.selectbox(key="block").set_value("1").run()
    assert not app.exception
    assert numbers(app)["Entropy: noise"] == entropy("noise", 1) != entropy("noise", 5)
    np.testing.assert_allclose(matrix(drawn(app, MATRIX)), showcase.similarity("scene", 1).matrix)


def test_the_image_decides_which_of_each_kind(look, drawn, numbers, text):
    app = look(image="4", block="3")
    for kind, name in NAMES.items():
        assert numbers(app)[f"Entropy: {name.lower()}"] == entropy(kind, 3, 4)
    assert "Scene 4 of the evaluation set" in text(app)


def test_block_by_block_has_means_with_intervals(look, drawn, text):
    figure = drawn(look(), "mean of 32 images each")
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


def test_another_model_is_computed_on_request(
    look, press, cluster, numbers, drawn, text, workplace
):
    model_hub.cache(workplace)
    cluster.answers["similarity"] = answer
    app = look(model="deit_tiny_patch16_224", block="11")
    assert not app.exception
    assert not cluster.asked
    press(app, "Compute")
    assert not app.exception
    ((name, question),) = cluster.asked
    assert (name, set(question)) == ("similarity", {"model", "weights", "picture"})
    assert numbers(app)["Entropy in block 11"] == "-7.80 nats"
    assert "Computed on this machine just now" in text(app)
    assert title(drawn(app, "Your image: pairs")).endswith("(196 patches)")
    assert "Three images in block 5" in [header.value for header in app.header]


def test_an_uploaded_picture_is_computed(look, press, cluster, numbers):
    cluster.answers["similarity"] = answer
    picture = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 40, np.uint8)).save(picture, "PNG")
    app = look()
    app.file_uploader(key=uploads.UPLOAD).upload("mine.png", picture.getvalue()).run()
    press(app, "Compute")
    assert (cluster.asked[0][1]["picture"] == 40).all()
    assert "Entropy in block 11" in numbers(app)


def test_a_demo_computes_nothing(look, monkeypatch, cluster, text, workplace):
    model_hub.cache(workplace)
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = look(model="deit_tiny_patch16_224")
    assert not app.exception
    (button,) = (button for button in app.button if button.label == "Compute")
    assert button.disabled
    assert "This demo shows stored results" in text(app)
    assert not cluster.asked


def test_without_a_measured_run_a_note_is_shown(look, text):
    app = look()  # the made-up example has no entropy
    assert not app.exception
    assert "No stored run has measured the entropy" in text(app)


def test_bad_values_in_the_address_are_named(look):
    app = look(kind="photo")
    assert not app.exception
    assert app.session_state["kind"] == "scene"
    assert "kind = `photo`. Allowed: noise, scene, synthetic" in app.warning[0].value
