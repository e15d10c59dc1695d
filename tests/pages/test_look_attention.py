"""The tab Attention of Look inside: controls and clicks change the figures."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.errors import ModelError
from maskaq.jobs import downloads
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections.look_inside import attention_maps, picture
from maskaq.ui.sections.look_inside.attention import CHANGES, FINDS, _set_ratio
from maskaq.ui.state import pages, uploads
from tests.support import model_hub
from tests.support.waiting import until

HEADS, CHANGE, DISTANCE = "6 heads", "in P and in Q", "How far"
OVERLAP, PICTURE = "true foreground", "Scene: "


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(pages.LOOK_INSIDE, **params)


def heat(figure):
    """The maps of a figure, [N] each."""
    return [np.ravel(trace["z"]) for trace in figure["data"] if trace["type"] == "heatmap"]


def title(figure):
    return figure["layout"]["title"]["text"]


def test_stored_bits_show_their_q(look, set_bits, drawn, text, shipped):
    app = look(about=CHANGES)
    for bits in showcase.BITS[:6]:
        set_bits(app, bits)
        assert not app.exception
        p, q, difference = heat(drawn(app, CHANGE))
        np.testing.assert_allclose(q, attention_maps.rows(0, bits, None).mean((0, 1)), atol=1e-6)
        np.testing.assert_allclose(p - q, difference, atol=1e-6)
        assert f"Stored: Q at {bits}" in text(app)
        assert not [button for button in app.button if button.label == "Compute"]


def test_the_heads_are_those_of_the_block(look, drawn):
    app = look()
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(0, "P")[..., 1:].mean(0))
    assert "mean over blocks" in title(drawn(app, HEADS))
    app.selectbox(key="block").set_value("3").run()
    assert not app.exception
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(0, "P")[3, :, 1:])
    assert "block 3" in title(drawn(app, HEADS))


def test_the_image_is_the_chosen_scene(look, drawn):
    app = look(image="5", block="2")
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.cls_rows(5, "P")[2, :, 1:])
    assert title(drawn(app, PICTURE)) == f"Scene: {showcase.scene(5).name}"
    before = drawn(app, PICTURE)["data"][0]["source"]
    app.selectbox(key="image").set_value("1").run()
    assert drawn(app, PICTURE)["data"][0]["source"] != before


def test_the_head_is_framed_and_compared(look, drawn):
    app = look(block="4", head="2")
    names = [note["text"] for note in drawn(app, HEADS)["layout"]["annotations"]]
    assert names[2] == "<b>head 2, chosen</b>"
    app.session_state["about"] = CHANGES
    app.run()
    p, q, _ = heat(drawn(app, CHANGE))
    np.testing.assert_allclose(p, showcase.cls_rows(0, "P")[4, 2, 1:])
    np.testing.assert_allclose(q, showcase.cls_rows(0, "W4A4")[4, 2, 1:])
    assert "head 2" in title(drawn(app, CHANGE))


def crosses(figure):
    """The patches with a cross in a figure of the grid 8 x 8, by axis."""
    found = set()
    for shape in figure["layout"].get("shapes", []):
        path = shape.get("path", "")
        if shape.get("line", {}).get("color") == "#D55E00" and path.count("M") == 2:
            x, y = (float(part) for part in path[1:].split("L")[0].split(","))
            side = 8 if max(x, y) > 8 or (shape["xref"] == "x" and "source" in str(figure)) else 1
            found.add((shape["xref"], round((x + 0.5) / side - 0.2), round((y + 0.5) / side - 0.2)))
    return found


def test_a_clicked_patch_is_chosen_everywhere(look, drawn, text):
    app = look(block="1")
    assert app.number_input(key="patch").disabled
    assert not crosses(drawn(app, HEADS))
    click(app, 20)
    assert app.session_state["query"] == "patch"
    assert app.number_input(key="patch").value == 20
    np.testing.assert_allclose(heat(drawn(app, HEADS)), showcase.attention(0)[1, :, 21, 1:])
    assert "attention of patch 20, block 1" in title(drawn(app, HEADS))
    assert {place[1:] for place in crosses(drawn(app, HEADS))} == {(4, 2)}
    assert len(crosses(drawn(app, HEADS))) == 6
    assert {place[1:] for place in crosses(drawn(app, PICTURE))} == {(4, 2)}
    assert "of the attention of patch 20 falls on" in text(app)
    app.session_state["look"] = "Similarity"
    app.run()
    assert not app.exception
    np.testing.assert_allclose(
        heat(drawn(app, "similar to patch 20"))[0], showcase.similarity("scene", 1).matrix[20]
    )


def click(app, patch):
    """What a click on a patch does before the next rerun."""
    state = {}
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(picture.st, "session_state", state)
        picture.choose(patch)
    for name, value in state.items():
        app.session_state[name] = value
    app.run()
    assert not app.exception


@pytest.mark.parametrize("value", ["5", None, -1, 2.5, [3], 10**9])
def test_what_a_client_sends_instead_of_a_patch_does_no_harm(value, look):
    app = look()
    click(app, value)
    assert app.number_input(key="patch").value == 32


def test_every_map_can_be_clicked(look, drawn):
    figure = drawn(look(), HEADS)
    places = [trace for trace in figure["data"] if trace.get("customdata") is not None]
    assert len(places) == 6
    for trace in places:
        assert [value[0] for value in trace["customdata"]] == list(range(64))
        assert trace["marker"]["size"] <= 6  # else a neighbour may get the click
    (place,) = [
        trace for trace in drawn(look(), PICTURE)["data"] if trace.get("customdata") is not None
    ]
    assert (place["x"][9], place["y"][9]) == (11.5, 11.5)  # the middle of row 1, column 1


def test_the_verdict_says_how_much_of_the_attention_is_on_the_region(look, text):
    app = look(mask_ratio="0.3")
    alpha = attention_maps.alpha(0)
    share = alpha[mask_of(alpha, 0.3)].sum() / alpha.sum()
    assert f"**{100 * share:.0f} % of the attention of CLS falls on the 19 informative" in text(app)
    assert "Mean of 8 pictures" in text(app)
    assert "95 % interval" in text(app)


def test_the_mask_ratio_moves_the_border_and_the_overlap(look, drawn, text):
    app = look(about=FINDS, mask_ratio="0.1")
    before = drawn(app, PICTURE)["layout"]["shapes"][0]["path"]
    app.slider(key="mask_ratio").set_value(0.5).run()
    assert not app.exception
    assert drawn(app, PICTURE)["layout"]["shapes"][0]["path"] != before
    hits = int((mask_of(attention_maps.alpha(0), 0.5) & showcase.scene(0).patches).sum())
    here = drawn(app, OVERLAP)["data"][0]
    assert here["text"][0] == f"{hits} of 32 patches"
    assert f"{hits} of 32 informative patches lie on it here" in text(app)
    assert "now 0.5" in str(drawn(app, "IoU by mask ratio")["layout"]["annotations"])


def test_a_click_sets_the_mask_ratio(monkeypatch):
    state = {}
    monkeypatch.setattr("maskaq.ui.sections.look_inside.attention.st.session_state", state)
    for wrong in (0.33, "0.3", None, 7.0):
        _set_ratio(wrong)
    assert not state
    _set_ratio(0.35)
    assert state == {"mask_ratio": 0.35}


def test_overlap_comes_with_1000_scenes_and_chance(look, drawn, text):
    app = look(about=FINDS, mask_ratio="0.3")
    figure = drawn(app, OVERLAP)
    assert [trace["y"][1][0] for trace in figure["data"]] == [
        "this scene",
        "mean of 1,000 scenes",
        "random masks, 1,000 scenes",
    ]
    table = showcase.overlap().query("measure == 'precision' and 0.29 < ratio < 0.31").iloc[0]
    assert figure["data"][1]["x"][0] == pytest.approx(100 * table["value"])
    assert figure["data"][2]["x"][0] == pytest.approx(100 * table["random_value"])
    assert "Attention finds the object" in text(app)


def test_distances_inside_and_outside_the_mask_are_shown_over_scenes(look, drawn, text):
    app = look(about=CHANGES, mask_ratio="0.5")
    assert "1,000 images, with 95 % intervals" in title(drawn(app, DISTANCE))
    before = drawn(app, DISTANCE)["data"][0]["x"][0]
    app.slider(key="mask_ratio").set_value(0.1).run()
    after = drawn(app, DISTANCE)["data"][0]["x"][0]
    assert after != before
    assert f"**Q differs from P more inside the region, at W4A4**: by {after:.5f}" in text(app)
    app.selectbox(key="head").set_value("0").run()
    assert "8 images, with 95 % intervals" in title(drawn(app, DISTANCE))


def test_a_mask_of_everything_has_no_outside(look, drawn, text):
    app = look(about=CHANGES, mask_ratio="1.0")
    assert not app.exception
    names = [trace["y"][0] for trace in drawn(app, DISTANCE)["data"]]
    assert names == ["inside the mask, 64 patches", "outside the mask, 0 patches"]
    assert "the region covers the whole picture" in text(app)


def answer(**question):
    """As `queries.attention.attention` of a model with 12 blocks and 3 heads of 14 x 14 patches."""
    p = np.random.default_rng(0).random((12, 3, 196), np.float32)
    q = None if question["samples"] is None else p * 0.9
    return {
        "image": np.zeros((3, 224, 224), np.uint8),
        "p": p,
        "q": q,
        "alpha": p.mean((0, 1)),
        "said": {"p": ("espresso", 0.62)} | ({} if q is None else {"q": ("cup", 0.51)}),
        "class_token": True,
    }


@pytest.fixture
def scenes_answer(cluster):
    """Answer for the bundled model, with a Q that has no attention at all."""

    def answer(**question):
        p = np.full((6, 6, 64), 0.01, np.float32)
        image = question["picture"].transpose(2, 0, 1)
        said = {"p": ("Coat", 0.62), "q": ("Bag", 0.51)}
        answer = {"image": image, "p": p, "q": 0 * p, "alpha": p.mean((0, 1)), "said": said}
        return answer | {"class_token": True}

    cluster.answers["attention"] = answer


@pytest.fixture
def few_bits(monkeypatch):
    """Only two pairs of bit widths are stored."""
    monkeypatch.setattr(showcase, "BITS", ("W4A4", "W3A3"))


def test_bit_widths_that_are_not_stored_are_computed_on_request(
    look, drawn, text, press, cluster, scenes_answer, few_bits
):
    app = look(weight_bits="5", activation_bits="4", block="2", about=CHANGES)
    assert "No attention of Q at W5A4 is stored." in text(app)
    assert heat(drawn(app, HEADS))  # P's maps do not depend on the bits
    assert not cluster.asked
    press(app, "Compute")
    assert not app.exception
    ((name, question),) = cluster.asked
    assert name == "attention"
    assert (question["weight_bits"], question["activation_bits"]) == (5, 4)
    np.testing.assert_array_equal(question["picture"], showcase.scene(0).image.transpose(1, 2, 0))
    assert question["samples"].dtype == np.uint8
    assert "Computed just now: Q at W5A4" in text(app)
    assert heat(drawn(app, CHANGE))[1].max() == 0
    assert "1 image, without an interval" in title(drawn(app, DISTANCE))
    # The answer is cached, and the next question needs no button.
    app.slider(key="mask_ratio").set_value(0.4).run()
    assert len(cluster.asked) == 1
    app.slider(key="weight_bits").set_value(6).run()
    assert len(cluster.asked) == 2
    assert "Q at W6A4" in text(app)


def test_stored_bits_are_one_click_away(look, press, text, drawn, few_bits):
    app = press(look(weight_bits="5", about=CHANGES), "W3A3")
    assert app.slider(key="weight_bits").value == app.slider(key="activation_bits").value == 3
    assert drawn(app, "in Q W3A3")
    assert "Stored: Q at W3A3" in text(app)


def test_single_heads_of_q_are_never_replaced_by_their_mean(look, press, text, drawn):
    app = look(about=CHANGES, query="patch", patch="9", head="3", block="1")
    assert "Single heads of Q are stored for the class token only." in text(app)
    press(app, "all heads")
    assert app.selectbox(key="head").value == "mean"
    assert "block 1, mean over heads" in title(drawn(app, CHANGE))


def upload(app, size=64):
    stream = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), 40, np.uint8)).save(stream, "PNG")
    return app.file_uploader(key=uploads.UPLOAD).upload("mine.png", stream.getvalue()).run()


def test_an_uploaded_picture_is_bright_with_both_answers(
    look, drawn, text, press, cluster, scenes_answer
):
    app = upload(look())
    assert not app.get("plotly_chart")
    assert "knows only ten garments" in app.warning[0].value
    press(app, "Compute")
    assert not app.exception
    assert (cluster.asked[0][1]["picture"] == 40).all()
    assert len(heat(drawn(app, HEADS))) == 6
    figure = drawn(app, "Your picture")
    assert not heat(figure)  # nothing darkens it
    assert "Full precision says **Coat** (62 %), quantized to W4A4 **Bag** (51 %)" in text(app)
    app.session_state["about"] = FINDS
    app.run()
    assert "is not known" in text(app)


def test_another_model_looks_at_the_same_scenes(look, drawn, text, press, cluster, shipped):
    def answer(picture, **question):
        p = np.full((8, 3, 256), 0.01, np.float32)
        image = picture.transpose(2, 0, 1)
        said = {"p": ("Coat", 0.62), "q": ("Bag", 0.51)}
        answer = {"image": image, "p": p, "q": p, "alpha": p.mean((0, 1)), "said": said}
        return answer | {"class_token": False}

    cluster.answers["attention"] = answer
    app = look(model="scenes_swin", image="3")
    assert "Attention is stored only for" in text(app)
    press(app, "Compute")
    assert not app.exception
    assert drawn(app, f"Scene: {showcase.scene(3).name}")
    assert len(heat(drawn(app, "P: attention of all patches"))) == 3
    ((_, question),) = cluster.asked
    assert question["samples"].shape == (32, 3, 64, 64)  # of a stored run of this model


def test_every_bundled_model_warns_of_garments(look):
    (warning,) = upload(look(model="scenes_swin")).warning
    assert "knows only ten garments" in warning.value


def test_other_models_do_not_warn_of_garments(look, workplace):
    model_hub.cache(workplace)
    assert not upload(look(model="deit_tiny_patch16_224")).warning


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
    app = look(model="deit_tiny_patch16_224", block="11", about=CHANGES)
    assert "Attention is stored only for" in text(app)
    press(app, "Compute")
    assert not app.exception
    assert cluster.asked[0][1]["model"] == "deit_tiny_patch16_224"
    assert cluster.asked[0][1]["samples"] is None
    assert len(heat(drawn(app, "3 heads, 196 patches"))) == 3
    assert "Q needs calibration images" in text(app)
    assert "Full precision says **espresso** (62 %)." in text(app)


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


def test_a_demo_shows_stored_maps_and_computes_nothing(look, monkeypatch, text, cluster, few_bits):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = look(weight_bits="5", about=CHANGES)
    assert not app.exception
    (button,) = (button for button in app.button if button.label == "Compute")
    assert button.disabled
    assert "No attention of Q at W5A4 is stored. Choose what is stored:" in text(app)
    assert not [b for b in app.button if b.label in ("W4A4", "W3A3") and b.disabled]
    assert not cluster.asked


def test_bad_values_in_the_address_are_named(look):
    app = look(query="head", patch="64")
    assert not app.exception
    assert (app.session_state["query"], app.session_state["patch"]) == ("CLS", 32)
    assert "query = `head`" in app.warning[0].value
    assert "patch = `64`" in app.warning[0].value
