"""The tab Proof of Look inside: two claims, four tests, patches removed by hand."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.jobs import service
from maskaq.precomputed import claims, showcase
from maskaq.regions.numpy_masks import mask_of
from maskaq.ui.sections.look_inside import attention_maps, proof, removal
from maskaq.ui.state import pages, uploads
from maskaq.ui.state.selection import Choice
from tests.support import claims_tables

MANY = "In many scenes"


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    claims.maps.cache_clear()
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    claims_tables.write(tmp_path / "claims")
    yield tmp_path / "claims"
    claims.maps.cache_clear()


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(pages.LOOK_INSIDE, look="Proof", **params)


def part(app, test, name):
    """Choose a part of a test."""
    app.session_state[f"part_{test.lower()}"] = name
    return app.run()


EVERY = [(test, view) for test, (_, views, _) in proof.TESTS.items() for view in views]


@pytest.mark.parametrize("test, view", EVERY)
def test_every_part_of_every_test_has_a_verdict_and_a_figure(test, view, look, text):
    app = look(test=test)
    if view:
        part(app, test, view)
    assert not app.exception
    assert not app.warning
    assert not app.error
    assert app.get("plotly_chart")
    assert "##### " in text(app)
    app.session_state["details"] = True
    app.run()
    assert app.latex


@pytest.mark.parametrize("test, view", EVERY)
def test_only_the_chosen_q_is_named(test, view, look, charts_and_words):
    app = look(test=test, weight_bits="3", activation_bits="3")
    if view:
        part(app, test, view)
    assert not app.info
    words = charts_and_words(app)
    assert not [bits for bits in showcase.BITS if bits != "W3A3" and bits in words]


def test_bit_widths_that_are_not_stored_are_offered(look, text, press, monkeypatch, drawn):
    monkeypatch.setattr(showcase, "BITS", ("W4A4", "W3A3"))
    app = look(test="Information", weight_bits="6")
    assert "No test of Q at W6A4 is stored. Choose what is stored:" in text(app)
    assert drawn(app, "Information about the prediction of P")
    press(app, "W3A3")
    assert drawn(app, "Information about the prediction of Q W3A3")


def test_the_verdict_of_the_second_claim_is_that_of_the_mask_ratio(look, text, press):
    # In the made-up table informative patches carry 6 r, as many others 0.5 r, all others 1.5 r.
    assert "At 10 % the second claim holds for Q W4A4" in text(look(test="Information"))
    app = look(test="Information", mask_ratio="0.2")
    assert "Nothing is stored for a mask ratio of 20%." in text(app)
    assert "claim holds" not in text(app)
    press(app, "30%")
    assert "At 30 % the second claim holds for Q W4A4" in text(app)
    assert "carry more than as many others" in text(app)


def test_the_second_claim_fails_at_the_default_ratio_of_the_real_table(look, text, monkeypatch):
    monkeypatch.setattr(claims, "FOLDER", showcase.FOLDER)
    app = look(test="Information")
    assert "At 10 % the second claim fails for Q W4A4" in text(app)
    assert "carry 0.06 bits (95 % interval 0.05 to 0.08), all others 1.40 bits" in text(app)
    assert "At 50 % the second claim holds" in text(look(test="Information", mask_ratio="0.5"))


def test_the_mask_ratio_is_that_of_the_regions(look, drawn):
    app = look(mask_ratio="0.3")
    assert "30%" in drawn(app, "Informative patches and the object")["layout"]["title"]["text"]


def test_single_heads_need_a_stored_ratio_for_a_mask(look, text, press, drawn):
    app = part(look(mask_ratio="0.2"), "Regions", "By block and head")
    assert drawn(app, "Share of the attention")
    app.selectbox(key="claim_measure").set_value("precision").run()
    assert not app.exception
    assert "Nothing is stored for a mask ratio of 20%." in text(app)
    press(app, "50%")
    assert drawn(app, "Precision: share of the mask on the object")


def test_the_filling_and_the_measure_can_be_chosen(look, drawn):
    app = part(look(test="Deletion"), "Deletion", MANY)
    app.get_by_key("claim_fill").set_value("blur").run()
    app.selectbox(key="claim_curve").set_value("apart").run()
    assert not app.exception
    assert "bits" in drawn(app, "P: patches replaced by blur")["layout"]["yaxis"]["title"]["text"]


def test_the_attributions_of_a_scene_are_stored(look, drawn, cluster):
    figure = drawn(look(test="Attributions", image="3"), "Which patches support")
    maps = [trace for trace in figure["data"] if trace["type"] == "heatmap"]
    assert len(maps) == 2 * len(claims.METHODS)
    np.testing.assert_allclose(maps[1]["z"], claims.maps(3, "P")[1].reshape(8, 8))
    assert not cluster.asked


def upload(app):
    stream = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(stream, "PNG")
    return app.file_uploader(key=uploads.UPLOAD).upload("a.png", stream.getvalue()).run()


def test_a_stored_scene_keeps_its_title_beside_a_visitors_picture(look, drawn):
    app = upload(look(image="2"))
    assert not app.exception
    assert drawn(app, f"Scene: {showcase.scene(2).name}")


def test_an_uploaded_picture_is_computed_method_by_method(look, press, cluster, drawn):
    cluster.answers["attribution"] = lambda **asked: {
        "image": np.zeros((3, 64, 64), np.uint8),
        "p": np.full(64, float(len(asked["method"]))),
        "q": None,
    }
    app = press(upload(look(test="Attributions")), "Compute")
    assert not app.exception
    assert "knows only ten garments" in app.warning[0].value
    assert [asked["method"] for _, asked in cluster.asked] == list(claims.METHODS)
    figure = drawn(app, "Which patches support")
    maps = [trace for trace in figure["data"] if trace["type"] == "heatmap"]
    assert len(maps) == len(claims.METHODS)
    assert maps[0]["z"][0][0] == len("attention")


def test_other_models_are_sent_to_the_one_that_was_tested(look, text, press, drawn):
    for test in ("Regions", "Information"):
        app = look(test=test, model="deit_tiny_patch16_224")
        assert not app.exception
        assert not app.get("plotly_chart")
        assert "stored for scenes_vit only" in text(app)
    press(app, "scenes_vit")
    assert drawn(app, "Information about")


def test_the_command_is_shown_for_missing_tables(look, tables):
    for path in tables.iterdir():
        path.unlink()
    for test, view in (("Regions", ""), ("Deletion", MANY), ("Information", "")):
        app = look(test=test)
        if view:
            part(app, test, view)
        assert not app.exception
        assert claims.COMMAND in app.error[0].value


# Patches removed by hand.


def answer(**asked):
    """As `maskaq.queries.removal.removal`: Coat until patch 5 is removed, then Bag."""
    lost = 5 in asked["away"]
    after = [0.1, 0.8] if lost else [0.7, 0.2]
    p = np.array([[0.9, 0.05], after], np.float32)
    image = np.full((3, 64, 64), len(asked["away"]), np.uint8)
    return {"image": image, "classes": ["Coat", "Bag"], "p": p, "q": p[:, ::-1]}


@pytest.fixture
def deletion(look, cluster):
    cluster.answers["removal"] = answer
    return lambda **params: look(test="Deletion", **params)


def toggle(app, value):
    """What a click on a patch does before the next rerun."""
    kept = ("_away", "_wanted")
    state = {name: app.session_state[name] for name in kept if name in app.session_state}
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr("streamlit.session_state", state)
        removal._toggle(Choice(), value)
    for name, values in state.items():
        app.session_state[name] = values
    app.run()
    assert not app.exception


def test_before_a_click_the_stored_answer_of_p_is_shown(deletion, drawn, cluster, text):
    app = deletion()
    assert "Click patches to remove them" in text(app)
    whole, now = drawn(app, "Answers")["data"][-2:]
    np.testing.assert_array_equal(whole["x"], now["x"])
    assert set(whole["y"][1]) == {"P"}
    assert not cluster.asked
    assert cluster.warmed == 1
    app.run()
    assert cluster.warmed == 1


def test_clicks_remove_patches_and_move_the_answers(deletion, drawn, cluster, text):
    app = deletion()
    toggle(app, 5)
    ((name, asked),) = cluster.asked
    assert (name, asked["away"], asked["fill"]) == ("removal", (5,), "mean colour")
    assert (asked["weight_bits"], asked["activation_bits"]) == (4, 4)
    assert "**One patch is gone**: P now answers Bag instead of Coat (90 % before, 80" in text(app)
    assert "Q W4A4 now answers Coat instead of Bag" in text(app)
    toggle(app, 9)
    assert cluster.asked[-1][1]["away"] == (5, 9)
    toggle(app, 5)
    assert cluster.asked[-1][1]["away"] == (9,)
    assert "P still answers Coat (90 % before, 70 % now)" in text(app)


@pytest.mark.parametrize("value", ["5", None, -1, 64, 2.5])
def test_what_a_client_sends_instead_of_a_patch_is_ignored(value, deletion, cluster):
    app = deletion()
    toggle(app, value)
    assert not cluster.asked


def test_buttons_remove_the_informative_patches_or_as_many_others(deletion, press, cluster, text):
    app = press(deletion(mask_ratio="0.2"), "Remove the informative ones")
    alpha = attention_maps.alpha(0)
    informative = set(np.flatnonzero(mask_of(alpha, 0.2)))
    assert set(cluster.asked[-1][1]["away"]) == informative
    press(app, "Remove as many others")
    others = set(cluster.asked[-1][1]["away"])
    assert len(others) == len(informative)
    assert not others & informative
    assert alpha[list(others)].max() < alpha[list(informative)].min()
    press(app, "Restore")
    assert cluster.asked[-1][1]["away"] == ()
    assert "Click patches to remove them" in text(app)


def test_another_picture_starts_whole(deletion, press, cluster):
    app = press(deletion(), "Remove the informative ones")
    asked = len(cluster.asked)
    app.selectbox(key="image").set_value("3").run()
    assert not app.exception
    assert len(cluster.asked) == asked


def test_an_own_picture_can_be_removed_patch_by_patch(deletion, press, cluster, text):
    cluster.answers["attention"] = lambda **asked: {
        "image": np.zeros((3, 64, 64), np.uint8),
        "p": np.full((6, 6, 64), 0.01, np.float32),
        "q": None,
        "alpha": np.arange(64, dtype=np.float32),
        "said": {"p": ("Bag", 0.9)},
        "class_token": True,
    }
    app = press(upload(deletion()), "Compute")
    press(app, "Remove the informative ones")
    assert not app.exception
    assert cluster.asked[-1][1]["away"] == tuple(range(58, 64))
    assert "6 patches are gone" in text(app)


def test_a_demo_removes_nothing_and_says_why(deletion, cluster, monkeypatch, text, drawn):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = deletion()
    assert service.READONLY in text(app)
    assert all(b.disabled for b in app.button if str(b.key).startswith("remove_"))
    assert drawn(app, "Answers")  # of P, stored
    assert not cluster.asked
    assert not cluster.warmed
