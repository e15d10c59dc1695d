"""Look inside with timm's ViT-Tiny: stored photographs, without any computing."""

import numpy as np
import pytest

from maskaq.precomputed import photographs, worlds
from maskaq.ui.sections.look_inside.attention import CHANGES, FINDS
from maskaq.ui.state import pages


@pytest.fixture
def look(open_page):
    return lambda **params: open_page(
        pages.LOOK_INSIDE, **{"model": photographs.MODEL, "look": "Attention"} | params
    )


def heat(figure):
    return [np.ravel(trace["z"]) for trace in figure["data"] if trace["type"] == "heatmap"]


def test_the_image_control_lists_the_photographs(look, drawn, text, cluster):
    app = look(image="castle", block="11")
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="image").options == list(photographs.names())
    one = photographs.photograph("castle")
    np.testing.assert_allclose(heat(drawn(app, "3 heads")), one.rows(None)[11], rtol=1e-6)
    assert drawn(app, "Photograph: Castle")
    assert "Full precision says **castle**" in text(app)
    assert f"Mean of {len(photographs.names())} pictures" in text(app)
    assert not cluster.asked


def test_patches_are_stored_for_p_and_the_class_token_for_q(
    look, drawn, press, text, cluster, workplace
):
    app = look(image="cat", about=CHANGES, query="patch", patch="50")
    np.testing.assert_allclose(
        heat(drawn(app, "3 heads")), photographs.photograph("cat").rows(50).mean(0), rtol=1e-5
    )
    assert "of Q's patches is not stored" in text(app)
    press(app, "CLS")
    one = photographs.photograph("cat")
    p, q, _ = heat(drawn(app, "in P and in Q W4A4"))
    np.testing.assert_allclose(q, one.q_rows("W4A4").mean((0, 1)), rtol=1e-5)
    np.testing.assert_allclose(p, one.rows(None).mean((0, 1)), rtol=1e-5)
    assert f"n = {len(photographs.names())} images" in text(app)
    assert not cluster.asked


def test_only_the_chosen_bits_are_shown(look, set_bits, charts_and_words, press, text):
    app = look(about=CHANGES)
    for bits in worlds.BITS:
        set_bits(app, bits)
        words = charts_and_words(app)
        assert f"in Q {bits}" in words
        assert not [other for other in worlds.BITS if other != bits and other in words]
    set_bits(app, "W7A7")
    assert "No attention of Q at W7A7 is stored." in text(app)
    press(app, "W6A6")
    assert "in Q W6A6" in charts_and_words(app)


def test_the_object_of_a_photograph_is_not_known(look, text):
    assert "is not known" in text(look(about=FINDS))


def test_another_model_has_its_own_pictures(look):
    app = look(image="castle")
    app.selectbox(key="model").set_value("scenes_vit").run()
    assert not app.exception
    assert not app.warning
    assert app.selectbox(key="image").value == "0"
    app.selectbox(key="image").set_value("3").run()
    app.selectbox(key="model").set_value(photographs.MODEL).run()
    assert not app.exception
    assert app.selectbox(key="image").value == photographs.names()[0]


def test_before_a_click_the_stored_answer_to_a_photograph_is_shown(look, drawn):
    app = look(look="Proof", test="Deletion", image="castle")
    assert not app.exception
    assert "castle" in drawn(app, "Answers")["data"][-1]["y"][0]


def test_the_other_tests_lead_to_the_model_that_they_are_about(look, text):
    assert "stored for scenes_vit only" in text(look(look="Proof"))
