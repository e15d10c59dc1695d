"""The page Attention: every control changes the figures, from stored arrays or a worker's."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.errors import ModelError
from maskaq.jobs import downloads
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections import attention_maps
from maskaq.ui.state import pages, uploads
from tests.support import model_hub
from tests.support.waiting import until

HEADS, REGION, CHANGE, DISTANCE = ", 6 heads", "attends to most", "(attention per", "Distance"


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(pages.ATTENTION, **params)


def heat(figure):
    """The maps of a figure, [N] each."""
    return [np.ravel(trace["z"]) for trace in figure["data"] if trace["type"] == "heatmap"]


def title(figure):
    return figure["layout"]["title"]["text"]


def test_it_opens_at_every_stored_bit_width(look, set_bits, drawn, text, shipped):
    app = look()
    for bits in showcase.BITS:
        set_bits(app, bits)
        assert not app.exception
        p, q, difference = heat(drawn(app, CHANGE))
        np.testing.assert_allclose(q, attention_maps.rows(0, bits, None).mean((0, 1)), atol=1e-6)
        np.testing.assert_allclose(p - q, difference, atol=1e-6)
        assert f"Q is {bits}" in text(app)
        assert "Stored example, shipped with maskaq" in text(app)
        assert not [button for button in app.button if button.label == "Compute"]


def test_the_heads_are_those_of_the_block(look, drawn):
    app = look()
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(0, "P")[..., 1:].mean(0))
    assert "mean over blocks" in title(drawn(app, HEADS))
    app.selectbox(key="block").set_value("3").run()
    assert not app.exception
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(0, "P")[3, :, 1:])
    assert "block 3" in title(drawn(app, HEADS))
    assert "block 3" in title(drawn(app, CHANGE))


def test_the_image_is_the_chosen_scene(look, drawn):
    app = look(image="5", block="2")
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(5, "P")[2, :, 1:])
    assert f"foreground: {showcase.scene(5).name}" in title(drawn(app, "The true"))
    before = drawn(app, REGION)["data"][0]["source"]
    app.selectbox(key="image").set_value("1").run()
    assert drawn(app, REGION)["data"][0]["source"] != before


def test_the_head_is_framed_and_compared(look, drawn):
    app = look(block="4", head="2")
    names = [note["text"] for note in drawn(app, HEADS)["layout"]["annotations"]]
    assert names[2] == "<b>head 2, chosen</b>"
    p, q, _ = heat(drawn(app, CHANGE))
    np.testing.assert_allclose(p, showcase.cls_rows(0, "P")[4, 2, 1:])
    np.testing.assert_allclose(q, showcase.cls_rows(0, "W4A4")[4, 2, 1:])
    assert "head 2" in title(drawn(app, CHANGE))


def test_the_attention_of_a_patch_is_shown_too(look, drawn, text):
    app = look(block="1")
    assert app.number_input(key="patch").disabled
    app.session_state["query"] = "patch"
    app.run()
    assert not app.number_input(key="patch").disabled
    app.number_input(key="patch").set_value(9).run()
    assert not app.exception
    assert "Attention of patch 9, block 1" in title(drawn(app, HEADS))
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.attention(0)[1, :, 10, 1:])
    app.selectbox(key="head").set_value("3").run()
    assert "block 1, mean over heads" in title(drawn(app, CHANGE))
    assert "only the mean over heads is stored" in text(app)


def test_the_mask_ratio_moves_the_border_and_the_overlap(look, drawn, text):
    app = look(mask_ratio="0.1")
    assert "The 6 of 64 patches to which CLS attends most" in text(app)
    before = drawn(app, HEADS)["layout"]["shapes"][0]["path"]
    app.slider(key="mask_ratio").set_value(0.5).run()
    assert not app.exception
    assert "The 32 of 64 patches" in text(app)
    assert drawn(app, HEADS)["layout"]["shapes"][0]["path"] != before
    hits = int((mask_of(attention_maps.alpha(0), 0.5) & showcase.scene(0).patches).sum())
    here = drawn(app, "against true foreground")["data"][0]
    assert here["text"][0] == f"{hits} of 32 patches"
    assert "now 0.5" in str(drawn(app, "IoU by mask ratio")["layout"]["annotations"])


def test_overlap_comes_with_1000_scenes_and_chance(look, drawn):
    figure = drawn(look(mask_ratio="0.3"), "against true foreground")
    assert [trace["y"][1][0] for trace in figure["data"]] == [
        "this scene",
        "mean of 1,000 scenes",
        "random masks, 1,000 scenes",
    ]
    table = showcase.overlap().query("measure == 'precision' and 0.29 < ratio < 0.31").iloc[0]
    assert figure["data"][1]["x"][0] == pytest.approx(100 * table["value"])
    assert figure["data"][2]["x"][0] == pytest.approx(100 * table["random_value"])
    assert table["value"] > table["random_value"]


def test_distances_inside_and_outside_the_mask_are_shown_over_scenes(look, drawn):
    app = look(mask_ratio="0.5")
    assert "1,000 images, with 95 % intervals" in title(drawn(app, DISTANCE))
    before = drawn(app, DISTANCE)["data"][0]["x"][0]
    app.slider(key="mask_ratio").set_value(0.1).run()
    assert drawn(app, DISTANCE)["data"][0]["x"][0] != before
    app.selectbox(key="head").set_value("0").run()
    assert "8 images, with 95 % intervals" in title(drawn(app, DISTANCE))


def test_a_mask_of_everything_has_no_outside(look, drawn):
    app = look(mask_ratio="1.0")
    assert not app.exception
    names = [trace["y"][0] for trace in drawn(app, DISTANCE)["data"]]
    assert names == ["inside the mask, 64 patches", "outside the mask, 0 patches"]


def answer(**question):
    """As `queries.attention.attention` of a model with 12 blocks and 3 heads of 14 x 14 patches."""
    p = np.random.default_rng(0).random((12, 3, 196), np.float32)
    q = None if question["samples"] is None else p * 0.9
    return {"image": np.zeros((3, 224, 224), np.uint8), "p": p, "q": q, "alpha": p.mean((0, 1))}


@pytest.fixture
def scenes_answer(cluster):
    """Answer for the bundled model, with a Q that has no attention at all."""

    def answer(**question):
        p = np.full((6, 6, 64), 0.01, np.float32)
        image = question["picture"].transpose(2, 0, 1)
        return {"image": image, "p": p, "q": 0 * p, "alpha": p.mean((0, 1))}

    cluster.answers["attention"] = answer


def test_bit_widths_that_are_not_stored_are_computed_on_request(
    look, drawn, text, press, cluster, scenes_answer
):
    app = look(weight_bits="5", activation_bits="4", block="2")
    assert "No attention of a Q at W5A4 is stored. This page shows W4A4." in text(app)
    assert not cluster.asked
    press(app, "Compute")
    assert not app.exception
    ((name, question),) = cluster.asked
    assert name == "attention"
    assert (question["weight_bits"], question["activation_bits"]) == (5, 4)
    np.testing.assert_array_equal(question["picture"], showcase.scene(0).image.transpose(1, 2, 0))
    assert question["samples"].dtype == np.uint8
    assert "Computed on this machine just now. Q is W5A4" in text(app)
    assert "is stored. This page shows" not in text(app)
    assert heat(drawn(app, CHANGE))[1].max() == 0
    assert "1 image, without an interval" in title(drawn(app, DISTANCE))
    assert f"foreground: {showcase.scene(0).name}" in title(drawn(app, "The true"))
    # The answer is cached, and the next question needs no button.
    app.slider(key="mask_ratio").set_value(0.4).run()
    assert len(cluster.asked) == 1
    app.slider(key="weight_bits").set_value(6).run()
    assert len(cluster.asked) == 2
    assert "Q is W6A4" in text(app)


def test_an_uploaded_picture_is_computed(look, drawn, text, press, cluster, scenes_answer):
    app = look()
    picture = io.BytesIO()
    Image.fromarray(np.full((64, 64, 3), 40, np.uint8)).save(picture, "PNG")
    app.file_uploader(key=uploads.UPLOAD).upload("mine.png", picture.getvalue()).run()
    assert not app.get("plotly_chart")
    press(app, "Compute")
    assert not app.exception
    assert (cluster.asked[0][1]["picture"] == 40).all()
    assert len(heat(drawn(app, HEADS))) == 6
    assert "Does it find the object?" not in text(app)  # which is unknown


def test_another_model_is_downloaded_before_a_worker_is_asked(look, text, cluster, workplace):
    cluster.answers["attention"] = answer
    app = look(model="deit_tiny_patch16_224")
    assert not app.exception
    assert [button.label for button in app.button if button.label == "Compute"] == []
    file = model_hub.file_of()
    until(lambda: downloads.look(file).name == "failed")
    assert file.url in text(app.run())
    assert "weights file under *Your own*" in text(app)
    assert not cluster.asked
    model_hub.cache(workplace)
    assert "Compute" in [button.label for button in app.run().button]


def test_another_model_has_no_q_without_stored_images(look, drawn, text, press, cluster, workplace):
    model_hub.cache(workplace)
    cluster.answers["attention"] = answer
    app = look(model="deit_tiny_patch16_224", block="11")
    assert "Attention is stored only for scenes_vit" in text(app)
    press(app, "Compute")
    assert not app.exception
    assert cluster.asked[0][1]["model"] == "deit_tiny_patch16_224"
    assert cluster.asked[0][1]["samples"] is None
    assert len(heat(drawn(app, ", 3 heads, 196 patches"))) == 3
    assert "Q needs calibration images" in text(app)


def test_a_failure_is_shown_and_can_be_tried_again(look, press, cluster, workplace):
    model_hub.cache(workplace)

    def refuse(**question):
        raise ModelError("deit_tiny_patch16_224 needs a file with weights.")

    cluster.answers["attention"] = refuse
    app = press(look(model="deit_tiny_patch16_224"), "Compute")
    assert not app.exception
    assert "needs a file with weights" in app.error[0].value
    cluster.answers["attention"] = answer
    press(app, "Try again")
    assert not app.error
    assert app.get("plotly_chart")


def test_a_demo_shows_stored_maps_and_computes_nothing(look, monkeypatch, text, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = look(weight_bits="5")
    assert not app.exception
    (button,) = (button for button in app.button if button.label == "Compute")
    assert button.disabled
    assert "This demo shows stored results" in text(app)
    assert "This page shows W4A4" in text(app)
    assert len(app.get("plotly_chart")) == 7
    app = look(model="deit_tiny_patch16_224")
    assert not app.exception
    assert not app.get("plotly_chart")
    assert "cannot download them" in text(app)
    assert not cluster.asked


def test_bad_values_in_the_address_are_named(open_page):
    app = open_page(pages.ATTENTION, query="all", patch="64")
    assert not app.exception
    assert app.session_state["query"] == "CLS"
    assert app.number_input(key="patch").value == 32
    assert "query = `all`. Allowed: CLS, patch" in app.warning[0].value
    assert "patch = `64`. Allowed: 0 to 63" in app.warning[0].value


def test_a_link_holds_the_query(open_page, drawn):
    app = open_page(pages.ATTENTION, query="patch", patch="12", block="5")
    assert not app.warning
    assert "Attention of patch 12, block 5" in title(drawn(app, HEADS))
