import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from maskaq.config.presets import spec_of
from maskaq.errors import RunError
from maskaq.ui.state import stored_runs
from maskaq.ui.widgets import run_panel
from tests.support import fake_cluster, stored


def page() -> None:
    from dataclasses import replace

    import streamlit as st

    from maskaq.config.presets import spec_of
    from maskaq.ui.state import session
    from maskaq.ui.widgets import run_panel

    st.session_state[session.PAGE] = st.text_input("Page", "pages/make_one.py", key="page")
    seed = st.number_input("Seed", 0, 9, 5, key="seed")
    run_panel.strip()
    shown = run_panel.panel(replace(spec_of("maskaq"), seed=seed), st.container())
    st.text(f"shown: {shown.result.spec.seed if shown else None}")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> fake_cluster.FakeCluster:
    stored.write(tmp_path / "examples" / "a")
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "examples")
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("MASKAQ_READONLY", raising=False)
    return fake_cluster.install(monkeypatch)


@pytest.fixture
def app(fake: fake_cluster.FakeCluster) -> AppTest:
    return AppTest.from_function(page, default_timeout=60).run()


def off(app: AppTest, key: str) -> bool:
    return bool(app.button(key=key).disabled)


def shown(app: AppTest) -> str:
    return str(app.text[0].value)


def test_the_estimated_time_is_shown_before_a_run(app, fake):
    assert "takes about 40 s" in app.caption[0].value
    assert not off(app, "run")
    assert off(app, "run_cancel")
    assert fake.warmed == 1
    app.run()
    assert fake.warmed == 1


def test_without_an_example_the_cost_is_measured_on_request(fake, tmp_path, monkeypatch):
    monkeypatch.setattr(stored_runs, "EXAMPLES", tmp_path / "none")
    fake.answers["cost"] = {"seconds": 600.0, "memory_mb": 3600.0}
    app = AppTest.from_function(page, default_timeout=60).run()
    assert fake.asked == []
    app.button(key="compute_cost").click().run()
    assert any("about 10 min and at least 3,600 MB" in one.value for one in app.caption)
    ((name, question),) = fake.asked
    assert name == "cost"
    assert json.loads(question["specs"][0])["model"] == "scenes_vit"


def test_a_stored_result_is_shown_at_once(app):
    assert shown(app) == "shown: None"
    app.number_input(key="seed").set_value(0).run()
    assert shown(app) == "shown: 0"


def test_a_run_is_followed_to_its_result(app, fake):
    app.button(key="run").click().run()
    assert "Waiting for a free worker" in app.get("progress")[0].proto.text
    assert off(app, "run")
    assert not off(app, "run_cancel")
    fake.step("synthesis", 1, 3)
    fake.step("synthesis", 2, 3)
    progress = app.run().get("progress")[0].proto
    assert progress.text.endswith(
        "Stage 2 of 4: Making images, 2 of 3, about 2 s left in this stage"
    )
    assert progress.value == 66
    assert app.get("image") or app.get("imgs") or app.get("images")
    assert len(app.get("plotly_chart")) == 1
    fake.finish()
    app.run()
    assert not app.exception
    assert not app.get("progress")
    assert shown(app) == "shown: 5"
    assert not app.warning


def test_other_pages_show_the_state_of_a_run(app, fake, monkeypatch):
    monkeypatch.setattr(run_panel.st, "page_link", lambda page, **how: None)  # there is one page
    app.button(key="run").click().run()
    fake.step("synthesis", 1, 3)
    fake.step("synthesis", 2, 3)
    app.run()
    assert not any("Your run" in one.value for one in app.caption)
    app.text_input(key="page").set_value("pages/learn.py").run()
    assert not app.exception
    assert any("Your run: Stage 2 of 4" in one.value for one in app.caption)
    fake.finish()
    assert not any("Your run" in one.value for one in app.run().caption)


def test_other_settings_show_no_result_of_another_run(app, fake):
    app.button(key="run").click().run()
    app.number_input(key="seed").set_value(6).run()
    fake.finish()
    app.run()
    assert shown(app) == "shown: None"
    app.number_input(key="seed").set_value(5).run()
    assert shown(app) == "shown: 5"


def test_after_cancel_another_run_can_start(app, fake):
    app.button(key="run").click().run()
    fake.step("synthesis", 1, 3)
    app.run().button(key="run_cancel").click().run()
    assert "Cancelled" in app.info[0].value
    assert shown(app) == "shown: None"
    assert not off(app, "run")
    app.button(key="run").click().run()
    assert len(fake.records) == 2


@pytest.mark.parametrize("state, kind", [("failed", "error"), ("lost", "warning")])
def test_the_error_of_a_run_is_shown(app, fake, state, kind):
    app.button(key="run").click().run()
    fake.change("run-0", state=state, error="the disk is full; free some space.")
    app.run()
    assert getattr(app, kind)[0].value == "the disk is full; free some space."


def test_problems_are_shown(app, fake):
    app.button(key="run").click().run()
    fake.change("run-0", problems=["one image was dropped"])
    assert app.run().warning[0].value == "one image was dropped"


def test_runs_of_other_visitors_are_counted_but_not_shown(app, fake):
    other = AppTest.from_function(page, default_timeout=60).run()
    other.button(key="run").click().run()
    assert not app.run().get("progress")
    app.button(key="run").click().run()
    assert "Waiting: 1 run is ahead of yours." in app.get("progress")[0].proto.text
    assert shown(other) == shown(app) == "shown: None"


def test_the_reason_is_shown_when_a_run_is_refused(app, fake, monkeypatch):
    def refuse(owner: str, spec: object, *, origin: str) -> str:
        raise RunError("too many.")

    monkeypatch.setattr(run_panel.service, "start", refuse)
    app.button(key="run").click().run()
    assert app.error[0].value == "too many."
    assert not off(app, "run")


def test_a_demo_starts_no_run(app, fake, monkeypatch):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app.run()
    assert off(app, "run")
    assert not app.caption
    assert not fake.records


def test_a_demo_refuses_a_forged_start(fake, monkeypatch):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    run_panel.start(spec_of("maskaq"))
    assert not fake.records
