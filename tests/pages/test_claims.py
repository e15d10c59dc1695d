"""The page Claims: two claims, four tests, stored tables, the visitor's own pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from maskaq.precomputed import claims
from maskaq.ui.sections.claims import HEADERS, SECTIONS
from maskaq.ui.state import pages, uploads
from tests.support import claims_tables

PAGE = pages.CLAIMS


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    claims.maps.cache_clear()
    monkeypatch.setattr(claims, "FOLDER", tmp_path / "claims")
    claims_tables.write(tmp_path / "claims")
    yield tmp_path / "claims"
    claims.maps.cache_clear()


@pytest.mark.parametrize("test", SECTIONS)
def test_every_test_is_drawn_with_its_formula_and_numbers(test, open_page, text):
    app = open_page(PAGE, test=test)
    assert not app.exception
    assert not app.warning
    assert not app.error
    assert app.header[0].value == HEADERS[test]
    assert app.get("plotly_chart")
    assert claims.COMMAND in text(app)
    assert app.get("latex") or app.latex


def test_the_bits_choose_q(open_page, drawn):
    app = open_page(PAGE, test="Deletion", weight_bits="3", activation_bits="3")
    assert drawn(app, "Q W3A3: patches replaced")
    assert not app.info


def test_bit_widths_that_are_not_stored_are_named(open_page, text):
    app = open_page(PAGE, test="Information", weight_bits="6")
    assert "No Q at W6A4 is stored here. This page shows W4A4." in text(app)


def test_the_mask_ratio_chooses_the_nearest_stored_one(open_page, drawn):
    figure = drawn(open_page(PAGE, mask_ratio="0.35"), "Informative patches and the object")
    assert "mask ratio 30%" in figure["layout"]["title"]["text"]


def test_the_filling_and_the_measure_can_be_chosen(open_page, drawn):
    app = open_page(PAGE, test="Deletion")
    app.get_by_key("claim_fill").set_value("blur").run()
    app.selectbox(key="claim_curve").set_value("apart").run()
    assert not app.exception
    assert "bits" in drawn(app, "P: patches replaced by blur")["layout"]["yaxis"]["title"]["text"]


def test_the_attributions_of_a_scene_are_stored(open_page, drawn, cluster):
    figure = drawn(open_page(PAGE, test="Attributions", image="3"), "Which patches support")
    assert len(figure["data"]) == 2 * len(claims.METHODS)
    expected = claims.maps(3, "P")[1].reshape(8, 8)
    np.testing.assert_allclose(figure["data"][1]["z"], expected)
    assert not cluster.asked


def picture() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (40, 20), "teal").save(stream, "PNG")
    return stream.getvalue()


def test_an_uploaded_picture_is_computed_method_by_method(open_page, press, cluster, drawn):
    cluster.answers["attribution"] = lambda **asked: {
        "image": np.zeros((3, 64, 64), np.uint8),
        "p": np.full(64, float(len(asked["method"]))),
        "q": None,
    }
    app = open_page(PAGE, test="Attributions")
    app.get_by_key(uploads.UPLOAD).set_value(("a.png", picture(), "image/png")).run()
    press(app, "Compute")
    assert not app.exception
    assert [asked["method"] for _, asked in cluster.asked] == list(claims.METHODS)
    figure = drawn(app, "Which patches support")
    assert len(figure["data"]) == len(claims.METHODS)
    assert figure["data"][0]["z"][0][0] == len("attention")


def test_the_command_is_shown_for_missing_tables(open_page, tables):
    for path in tables.iterdir():
        path.unlink()
    for test in SECTIONS:
        app = open_page(PAGE, test=test)
        assert not app.exception
        assert claims.COMMAND in app.error[0].value
