"""The test Deletion on the page Look inside with models for segmentation and detection.

The worker's answers are those of the real queries.
"""

import json

import numpy as np
import pytest

from maskaq.figures.maps import deletion
from maskaq.precomputed import dense, dense_deletion
from maskaq.queries.attention import attention
from maskaq.queries.removal import dense_removal
from maskaq.ui.state import pages, uploads

MODELS = dense.MODELS
ITSELF = {
    "segmentation": "P keeps the class of ",
    "detection": "P still finds ",
}


@pytest.fixture(params=MODELS)
def task(request) -> str:
    return request.param


@pytest.fixture
def look(open_page, cluster, task):
    cluster.answers |= {"attention": attention, "dense_removal": dense_removal}
    return lambda **params: open_page(
        pages.LOOK_INSIDE, look="Proof", test="Deletion", model=MODELS[task], **params
    )


def alts(app) -> list[str]:
    """What the pictures of a page show."""
    return [image.alt for shown in app.get("image") for image in shown.proto.imgs]


def test_curves_have_a_verdict_and_their_numbers(look, text, task) -> None:
    app = look(part_deletion="In many scenes")
    assert not app.exception
    assert not app.error
    assert "With 9 % of the patches removed, the first claim holds" in text(app)
    assert "in 500 scenes" in text(app)
    charts = app.get("plotly_chart")
    titles = [json.loads(one.proto.spec)["layout"]["title"]["text"] for one in charts]
    assert "on the remaining patches" in titles[0]
    assert "on the middle patches" in titles[1]
    assert all("of the patches removed" in one.proto.alt for one in charts)
    app.slider(key="mask_ratio").set_value(0.3)
    app.session_state["details"] = True
    app.run()
    near = {"segmentation": 30, "detection": 20}[task]  # later few objects are left
    assert f"With {near} % of the patches removed, the first claim holds" in text(app)
    assert ("too few objects are left" in text(app)) == (task == "detection")
    assert len(app.dataframe) == 2
    table = app.dataframe[0].value
    assert list(table) == ["order", "away", "value", "low", "high", "n", "parts"]


def test_every_measure_and_fill_has_charts(look, task, drawn) -> None:
    app = look(part_deletion="In many scenes")
    for measure, label in deletion.DENSE_MEASURES[task].items():
        app.selectbox(key=f"claim_curve_{task}").set_value(measure)
        app.get_by_key("claim_fill").set_value("noise").run()
        assert not app.exception
        figure = drawn(app, "on the middle patches<br>replaced by noise")
        assert figure["layout"]["yaxis"]["title"]["text"] == label


def test_own_weights_have_no_stored_curves(look, text, task) -> None:
    app = look(part_deletion="In many scenes")
    app.session_state[uploads.WEIGHTS] = "mine.safetensors"
    app.run()
    assert not app.exception
    assert f"stored for the bundled weights of {MODELS[task]} only" in text(app)
    assert not app.get("plotly_chart")


def test_the_command_is_shown_without_a_table(look, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(dense_deletion, "FOLDER", tmp_path)
    app = look(part_deletion="In many scenes")
    assert not app.exception
    assert dense_deletion.COMMAND in app.error[0].value


def test_the_answers_show_before_and_after(look, press, cluster, text, task) -> None:
    app = press(look(mask_ratio="0.3", image="2"), "Compute")
    assert not app.exception
    pictures = dense.read(task)
    np.testing.assert_array_equal(
        cluster.asked[0][1]["picture"], pictures.arrays["images"][2].transpose(1, 2, 0)
    )
    assert "Click patches to remove them" in text(app)
    before = alts(app)
    assert [one.partition(":")[0] for one in before] == ["P, whole picture", "P, now"]
    assert before[0].partition(":")[2] == before[1].partition(":")[2]
    press(app, "Remove the informative ones")
    assert not app.exception
    name, asked = cluster.asked[-1]
    assert (name, len(asked["away"])) == ("dense_removal", 19)
    assert "**19 patches are gone**" in text(app)
    assert alts(app)[0] == before[0]
    press(app, "Remove as many others")
    assert f"**19 patches are gone**: {ITSELF[task]}" in text(app)
    press(app, "Restore")
    assert alts(app) == before


def test_q_is_shown_if_a_run_has_images(look, press, text, shipped) -> None:
    app = press(look(), "Compute")
    assert not app.exception
    assert [one.partition(":")[0] for one in alts(app)][2:] == [
        "Q W4A4, whole picture",
        "Q W4A4, now",
    ]
    press(app, "Remove as many others")
    assert "; Q W4A4 " in text(app)


def test_a_demo_removes_nothing(look, cluster, monkeypatch) -> None:
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = look()
    assert not app.exception
    assert not cluster.asked
