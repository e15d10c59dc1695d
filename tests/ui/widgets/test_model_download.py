"""What a visitor sees of a download, which only a click starts."""

import pytest
from streamlit.testing.v1 import AppTest

from maskaq.jobs import downloads
from tests.support import model_hub
from tests.support.app_test import one_scan_for_components  # noqa: F401  # a fixture
from tests.support.model_hub import NAME, ModelHub, file_of
from tests.support.waiting import until


def page() -> None:
    import streamlit as st

    from maskaq.ui.widgets import model_download

    model = st.session_state.get("model", "deit_tiny_patch16_224")
    st.text(model_download.ready(model, st.session_state.get("weights", "")))


@pytest.fixture
def app(hub: ModelHub) -> AppTest:
    return AppTest.from_function(page, default_timeout=30)


def ready(app: AppTest) -> bool:
    assert not app.exception
    return str(app.text[0].value) == "True"


def reach(app: AppTest, name: str) -> AppTest:
    until(lambda: downloads.look(file_of()).name == name)
    return app.run()


def progress(app: AppTest) -> str:
    return str(app.get("progress")[0].proto.text)


def test_a_bundled_a_given_and_a_cached_model_are_ready(app, hub, tmp_path):
    app.session_state["model"] = "scenes_vit"
    assert ready(app.run())
    app.session_state["model"] = NAME
    app.session_state["weights"] = "/tiny.safetensors"
    assert ready(app.run())
    app.session_state["weights"] = ""
    model_hub.cache(tmp_path)
    assert ready(app.run())
    assert not hub.requests


def test_a_download_starts_with_a_click_and_is_followed_to_its_end(app, hub):
    hub.pause_after = 2_500_000
    assert not ready(app.run())
    assert "the size of deit_tiny" in progress(app)
    reach(app, "offered")
    (button,) = app.button
    assert button.label == f"Download {NAME} (3.0 MB)"
    assert "weights file under *Your own*" in app.caption[0].value
    assert hub.gets == []
    button.click().run()
    until(lambda: downloads.look(file_of()).done > 2_000_000)  # where the hub pauses
    assert not ready(app.run())
    assert f"Downloading {NAME}: 2.1 MB of 3.0 MB, 70%, about " in progress(app)
    other = AppTest.from_function(page, default_timeout=30).run()
    assert f"Downloading {NAME}: 2.1 MB of 3.0 MB, 70%, about " in progress(other)
    hub.resume.set()
    assert ready(reach(app, "done"))
    assert ready(other.run())
    assert not app.button
    assert len(hub.gets) == 1


def test_a_download_can_be_cancelled_and_started_again(app, hub):
    hub.pause_after = 2_500_000
    app.run()
    reach(app, "offered").button[0].click().run()
    until(lambda: downloads.look(file_of()).done)
    (button,) = app.run().button
    assert button.label == "Cancel the download"
    button.click().run()
    assert "cancelled" in app.run().info[0].value
    hub.resume.set()
    app.button[0].click().run()
    assert ready(reach(app, "done"))


def test_a_file_that_is_not_checked_yet_is_not_ready(app, hub, tmp_path):
    hub.pause_after = 2_500_000
    app.run()
    reach(app, "offered").button[0].click().run()
    until(lambda: downloads.look(file_of()).done)
    model_hub.cache(tmp_path)
    assert not ready(app.run())
    hub.resume.set()
    assert not ready(reach(app, "failed"))
    assert "SHA-256" in app.error[0].value


def test_a_failure_shows_the_way_out_and_can_be_tried_again(app, hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", model_hub.NOWHERE)
    app.run()
    reach(app, "failed")
    assert f"Download {model_hub.NOWHERE}/timm/{NAME}.fb_in1k" in app.error[0].value
    assert "weights file under *Your own*" in app.caption[0].value
    (button,) = app.button
    assert button.label == "Try again"
    monkeypatch.setenv("HF_ENDPOINT", hub.address)
    button.click().run()
    assert reach(app, "offered").button[0].label.startswith("Download")


def test_a_full_server_says_so(app, hub):
    names = ["deit_small_patch16_224", "deit_base_patch16_224"]
    hub.pause_after = 1
    for name in names:
        hub.add(name)
        file = file_of(name)
        until(lambda file=file: downloads.look(file).name == "offered")
        downloads.start(file)
    app.run()
    reach(app, "offered").button[0].click().run()
    assert "already downloads 2 models" in app.error[0].value


def test_a_model_without_a_classifier_needs_a_file(app, hub):
    app.session_state["model"] = "vit_small_patch14_dinov2"
    assert not ready(app.run())
    assert "no pretrained classifier vit_small_patch14_dinov2" in app.info[0].value
    assert not app.button
    assert not hub.requests


def test_a_demo_says_that_it_cannot_download(app, hub, monkeypatch, tmp_path):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    assert not ready(app.run())
    assert "cannot download them" in app.info[0].value
    assert not app.button
    assert not hub.requests


def test_workers_elsewhere_have_a_cache_of_their_own(app, monkeypatch):
    monkeypatch.setenv("MASKAQ_SCHEDULER", "tcp://10.0.0.1:8786")
    assert ready(app.run())
