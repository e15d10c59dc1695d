"""What all pages share: the selection in the sidebar, and the visitor's own files."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from maskaq.errors import DataError
from maskaq.ui.shell import router
from maskaq.ui.state import pages, selection, uploads

TABS = [(spec, tab) for spec in pages.PAGES for tab in spec.tabs]
EVERY = pytest.mark.parametrize("spec, tab", TABS, ids=lambda one: getattr(one, "title", one))


@EVERY
def test_a_tab_draws_the_controls_that_act_on_it_and_keeps_the_others(spec, tab, open_page):
    chosen = {"weight_bits": "6", "mask_ratio": "0.3", "block": "2", "image": "5", "seed": "7"}
    own = {} if tab == next(iter(spec.tabs)) else {spec.parameter: tab}
    app = open_page(spec, **chosen, **own)
    assert not app.exception
    assert not app.warning
    assert app.title or spec is pages.PLAYGROUND  # its title is part of the component
    widgets = (*app.sidebar.slider, *app.sidebar.selectbox, *app.sidebar.number_input)
    task = {"model_task"} & {f"{key}_task" for key in spec.tabs[tab]}  # it chooses among models
    assert {widget.key for widget in widgets} == set(spec.tabs[tab]) | task
    for key, value in chosen.items():
        assert str(app.session_state[key]) == value
    app.session_state[pages.LOOK_INSIDE.parameter] = "Attention"
    app.switch_page(pages.LOOK_INSIDE.file).run()
    assert not app.exception
    assert app.slider(key="weight_bits").value == 6
    assert app.selectbox(key="block").value == "2"


@pytest.mark.parametrize("name", pages.MOVED)
def test_an_earlier_address_leads_to_its_content_with_its_settings(name, open_page, monkeypatch):
    spec, tab = pages.MOVED[name]
    led: list[tuple[str, dict[str, list[str]]]] = []
    monkeypatch.setattr(
        router.st, "switch_page", lambda file, query_params: led.append((file, query_params))
    )
    monkeypatch.setattr(router.st, "query_params", QueryParams({"weight_bits": ["3"]}))
    router._forward(spec, tab)
    ((file, settings),) = led
    assert file == spec.file
    assert settings["weight_bits"] == ["3"]
    assert settings.get(spec.parameter, [next(iter(spec.tabs))]) == [tab]


class QueryParams(dict):
    def get_all(self, name):
        return self[name]


BAD = {
    "model": "resnet50",
    "weight_bits": "99",
    "activation_bits": "4.5",
    "mask_ratio": "0.33",
    "image": "8",
    "block": "6",
    "head": "-1",
    "seed": "x",
}
DEFAULTS = {
    "model": "scenes_vit",
    "weight_bits": 4,
    "activation_bits": 4,
    "mask_ratio": 0.1,
    "image": "0",
    "block": "mean",
    "head": "mean",
    "seed": 0,
}


def test_a_bad_shared_setting_falls_back_to_its_default(open_page):
    app = open_page(pages.LOOK_INSIDE, **BAD)
    assert not app.exception
    assert {key: app.session_state[key] for key in DEFAULTS} == DEFAULTS
    notice = app.warning[0].value
    for key, value in BAD.items():
        assert f"{key} = `{value}`" in notice


def test_a_block_offers_its_own_heads(open_page):
    """The blocks of Swin have different numbers of heads: all have three, the last have 24."""
    app = open_page(pages.LOOK_INSIDE, model="swin_tiny_patch4_window7_224")
    assert app.selectbox(key="head").options == ["mean", "0", "1", "2"]
    app.selectbox(key="block").set_value("11").run()
    assert len(app.selectbox(key="head").options) == 25
    app.selectbox(key="head").set_value("20").run()
    app.selectbox(key="block").set_value("0").run()
    assert not app.exception
    assert app.selectbox(key="head").value == "mean"


def test_a_smaller_model_resets_the_block_and_the_head(open_page):
    app = open_page(pages.LOOK_INSIDE, model="deit_base_patch16_224", block="11", head="10")
    assert not app.warning
    assert app.selectbox(key="block").value == "11"
    app.selectbox(key="model").set_value("scenes_vit").run()
    assert not app.exception
    assert app.selectbox(key="block").value == app.selectbox(key="head").value == "mean"
    assert "block = `11`. Allowed: mean, or 0 to 5." in app.warning[0].value


def picture() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(stream, "PNG")
    return stream.getvalue()


def test_an_uploaded_picture_replaces_the_scene(open_page, text):
    app = open_page(pages.LOOK_INSIDE)
    app.file_uploader(key=uploads.UPLOAD).upload("teal.png", picture()).run()
    assert not app.exception
    assert "teal.png, 40 x 20 pixels" in text(app)
    assert app.selectbox(key="image").disabled


def test_a_bad_picture_is_refused(open_page):
    app = open_page(pages.LOOK_INSIDE)
    app.file_uploader(key=uploads.UPLOAD).upload("bad.png", b"not a picture").run()
    assert not app.exception
    assert "Allowed: one still picture" in app.error[0].value


def test_own_files_are_checked_by_a_worker(open_page, cluster, press, text):
    answer = {"task": "classification", "classes": 1000, "size": 224, "images": 500, "labels": 50}
    cluster.answers["inspect"] = answer | {"notes": ["left out 3 hidden images (_a*)"]}
    app = open_page(pages.LOOK_INSIDE)
    assert "Check these files" not in [button.label for button in app.button]
    app.text_input(key=uploads.DATA).set_value("photographs").run()
    app.text_input(key=uploads.CLASS_NAMES).set_value("a.txt").run()
    app.checkbox(key=uploads.SKIP_UNREADABLE).set_value(True).run()
    press(app, "Check these files")
    assert cluster.asked[-1] == (
        "inspect",
        {
            "model": "scenes_vit",
            "weights": "",
            "folder": "photographs",
            "class_names": "a.txt",
            "skip_unreadable": True,
        },
    )
    assert not app.exception
    assert "The folder has 500 images of 50 classes." in app.success[0].value
    assert app.info[0].value == r"- left out 3 hidden images (\_a\*)"


@pytest.fixture
def segformer(tmp_path):
    """The folder of a model; that it can be loaded is not tested here."""
    folder = tmp_path / "seg_former"
    folder.mkdir()
    return str(folder)


def test_a_model_of_transformers_replaces_model_p_where_runs_are_set_up(
    open_page, cluster, press, text, segformer
):
    about = {"task": "segmentation", "classes": 150, "size": 512, "images": 7, "labels": 0}
    cluster.answers["inspect"] = about | {"notes": []}
    app = open_page(pages.MAKE_ONE, backend="tails")
    app.text_input(key=uploads.WEIGHTS).set_value("left.safetensors")
    app.text_input(key=uploads.MODEL).set_value(f" {segformer} ")
    app.text_input(key=uploads.DATA).set_value("ade").run()
    assert app.selectbox(key="model").disabled
    assert app.text_input(key=uploads.WEIGHTS).disabled
    assert r"Replaced by your own: transformers\:/" in text(app)
    assert r"seg\_former" in text(app)
    press(app, "Check these files")
    assert cluster.asked[-1][1]["model"] == f"transformers:{segformer}"
    assert cluster.asked[-1][1]["weights"] == ""
    assert "for segmentation, takes 512 pixels and has 150 classes." in app.success[0].value
    assert app.success[0].value.endswith("The folder has 7 images.")
    press(app, "Run")
    spec = list(cluster.records.values())[-1].spec
    assert (spec.model, spec.weights, spec.data) == (f"transformers:{segformer}", "", "ade")
    assert (spec.fit.backend, not app.exception) == ("tails", True)


def test_files_that_were_written_again_are_checked_again(open_page, cluster, press, segformer):
    about = {"task": "detection", "classes": 91, "size": 512, "images": 0, "labels": 0}
    cluster.answers["inspect"] = about | {"notes": []}
    app = open_page(pages.MAKE_ONE)
    app.text_input(key=uploads.MODEL).set_value(segformer).run()
    press(app, "Check these files")
    assert "for detection" in app.success[0].value
    app.run()
    assert app.success
    Path(segformer, "config.json").write_text("{}")
    app.run()
    assert not app.success
    assert "Check these files" in [button.label for button in app.button]


def test_a_model_of_transformers_is_not_used_where_only_the_menu_counts(
    open_page, monkeypatch, segformer
):
    chosen = []
    current = selection.current
    monkeypatch.setattr(selection, "current", lambda: chosen.append(current()) or chosen[-1])
    app = open_page(pages.MAKE_ONE)
    app.text_input(key=uploads.MODEL).set_value(segformer).run()
    assert chosen[-1].model == f"transformers:{segformer}"
    for spec in (pages.LOOK_INSIDE, pages.DEPLOY, pages.PLAYGROUND, pages.LEARN):
        chosen.clear()
        app.switch_page(spec.file).run()
        assert not app.exception
        assert {choice.model for choice in chosen} == {"scenes_vit"}
    app.switch_page(pages.MAKE_ONE.file).run()
    assert app.text_input(key=uploads.MODEL).value == segformer
    assert chosen[-1].model == f"transformers:{segformer}"


@pytest.mark.parametrize("place", ["nvidia/segformer_b0", "no such folder", "\0", "../b"])
def test_a_model_of_transformers_that_is_not_on_the_server_is_not_run(
    open_page, place, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    app = open_page(pages.MAKE_ONE)
    app.text_input(key=uploads.MODEL).set_value(place).run()
    assert not app.exception
    assert any("is not a folder on this server" in one.value for one in app.info)
    assert next(button for button in app.button if button.label == "Run").disabled
    assert "Check these files" not in [button.label for button in app.button]


def test_the_reason_is_shown_if_own_files_cannot_be_used(open_page, cluster, press):
    def refuse(**plain):
        raise DataError("photographs has no folders; allowed: one folder for each class.")

    cluster.answers["inspect"] = refuse
    app = open_page(pages.LOOK_INSIDE)
    app.text_input(key=uploads.DATA).set_value("photographs").run()
    press(app, "Check these files")
    assert not app.exception
    assert app.error[0].value == "photographs has no folders; allowed: one folder for each class."


def test_a_demo_accepts_no_files(open_page, monkeypatch):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(pages.LOOK_INSIDE)
    assert app.file_uploader(key=uploads.UPLOAD).disabled
    assert app.text_input(key=uploads.WEIGHTS).disabled
    assert app.text_input(key=uploads.DATA).disabled
    assert app.text_input(key=uploads.CLASS_NAMES).disabled
