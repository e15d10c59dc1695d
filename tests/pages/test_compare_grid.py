"""The tab Grid of Compare: two settings vary, and the grid fills as its runs finish."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.components import SOURCES
from maskaq.config.presets import spec_of
from maskaq.jobs import sweep
from maskaq.results.paths import app_folder
from maskaq.ui.state import pages
from tests.support import model_hub, stored

PAGE = pages.COMPARE


def few(app, **values):
    """Keep only these values of the two axes."""
    for key, chosen in values.items():
        app.get_by_key(key).set_value(chosen)
    return app.run()


@pytest.fixture
def small(open_page):
    """W4A4 and W3A3 from maskaq and noise; one of the four is stored."""
    return few(
        open_page(PAGE, compare="Grid"),
        axis_1_bits=["W4A4", "W3A3"],
        axis_2_source=["maskaq", "noise"],
    )


def states(app):
    chart = app.get("plotly_chart")[0].proto.spec
    return {
        word: chart.count(f'"{word}"') for word in ("waiting", "running", "not computed", "failed")
    }


def test_it_opens_with_the_stored_runs(open_page, text, drawn):
    app = open_page(PAGE, compare="Grid")
    assert not app.exception
    assert "The grid has 16 runs, 1 of them finished." in text(app)
    figure = drawn(app, "Accuracy of Q, % on 500 images")
    assert figure["data"][0]["text"][0][1] == "<b>88.0</b><br>85.0-91.0"
    assert states(app)["not computed"] == 15


def test_the_shipped_grid_has_a_verdict(open_page, text, shipped):
    said = text(open_page(PAGE, compare="Grid"))
    assert "##### **Most depends on the bits**: 3.3 points (95 % interval 2.7 to 3.8)" in said
    assert "on the source: 1.8 points (95 % interval 1.4 to 2.2)" in said
    assert "Best: W8A8 with real, 87.2 %. Worst: W2A4 with noise, lower by 6.6 points" in said


def test_all_shipped_runs_fill_the_first_grid(open_page, text, workplace):
    for bits in ((8, 8), (4, 4), (3, 3), (2, 4)):
        for source in ("maskaq", "mimiq", "noise", "real"):
            spec = spec_of("maskaq", bits)
            spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
            stored.write(workplace / "examples" / f"{bits}-{source}", spec)
    app = open_page(PAGE, compare="Grid")
    assert "The grid has 16 runs, 16 of them finished." in text(app)
    assert app.button(key="grid").disabled
    assert len(app.selectbox(key="opened").options) == 16


def test_the_cost_is_estimated_before_the_run(small, text, press, cluster):
    assert "The grid has 4 runs, 1 of them finished." in text(small)
    # 40 s for W3A3 from maskaq; no run of the source noise is stored.
    cluster.answers["cost"] = {"seconds": 7200.0, "memory_mb": 1500.0}
    press(small, "Estimate time and memory")
    assert "The 3 missing runs take about 2.0 h and at least 1,500 MB" in text(small)
    assert [name for name, _ in cluster.asked] == ["cost"]
    assert len(cluster.asked[0][1]["specs"]) == 3
    few(small, axis_2_source=["maskaq"])
    assert "The missing run takes about 40 s, estimated from stored runs" in text(small)


def test_a_grid_too_large_for_the_page_shows_its_command(open_page, text, workplace):
    app = few(open_page(PAGE, compare="Grid"), axis_2_source=list(SOURCES))
    assert not app.exception
    assert f"The grid has {4 * len(SOURCES)} runs, 1 of them finished." in text(app)
    assert app.button(key="grid").disabled
    assert "This page computes up to 25 runs at once" in text(app)
    (command,) = (one.value for one in app.code if "sweep" in one.value)
    words = shlex.split(command)
    assert words[:5] == ["python", "-m", "maskaq", "sweep", "grid.toml"]
    assert Path(words[-1]) == workplace / "runs" / "app"


def test_runs_of_a_sweep_in_the_folder_fill_the_grid(open_page, text):
    before = spec_of("maskaq", (3, 3))
    for one in sweep.plan([before], app_folder()):
        stored.write(one.folder, one.spec)
    assert "The grid has 16 runs, 2 of them finished." in text(open_page(PAGE, compare="Grid"))


def test_the_grid_fills_as_runs_finish(small, press, cluster, text):
    press(small, "Run 3 missing")
    assert len(cluster.records) == 3
    assert small.button(key="grid").disabled
    assert states(small)["waiting"] == 3
    cluster.step("synthesis", 1, 2)
    assert "3 runs to go. Stage 2 of 4" in small.run().get("progress")[0].proto.text
    assert states(small)["running"] == 1
    cluster.finish()
    small.run()
    assert states(small)["waiting"] == 2
    assert "2 of them finished" in text(small)
    cluster.fail("no memory; use fewer images.")
    cluster.finish()
    small.run()
    assert not small.exception
    assert not small.get("progress")
    assert states(small) == {"waiting": 0, "running": 0, "not computed": 0, "failed": 1}
    assert small.error[0].value == "no memory; use fewer images."


def test_any_finished_cell_opens_its_run(small, drawn):
    box = small.selectbox(key="opened")
    assert box.options == ["W4A4, maskaq: 88.0 %"]
    assert len(small.get("plotly_chart")) == 1
    box.set_value(box.options[0]).run()
    assert not small.exception
    assert drawn(small, "Accuracy on 500 images")
    few(small, axis_1_bits=["W3A3"])  # now the cell is not in the grid
    assert not small.exception
    assert small.selectbox(key="opened").value is None


def test_cancel_stops_the_whole_grid(small, press, cluster, text):
    press(small, "Run 3 missing")
    cluster.step("synthesis", 1, 2)
    press(small.run(), "Cancel")
    assert {run.state for run in cluster.records.values()} == {"cancelled"}
    assert not small.button(key="grid").disabled
    assert "Run 3 missing" in [button.label for button in small.button]


def test_a_grid_leaves_room_for_a_single_run(small, press, cluster, open_page):
    press(small, "Run 3 missing")
    small.switch_page(pages.MAKE_ONE.file)
    small.session_state["seed"] = 5
    small.run()
    assert not small.exception
    assert any("0 of 3 runs have ended" in one.value for one in small.caption)
    assert not small.button(key="run").disabled


def test_a_grid_is_hidden_from_others(small, press, cluster, open_page, text):
    press(small, "Run 3 missing")
    other = open_page(PAGE, compare="Grid")
    assert not other.get("progress")
    assert states(other)["not computed"] == 15
    assert other.button(key="grid_cancel").disabled


def test_the_axes_decide_the_runs(open_page, press, cluster):
    app = open_page(
        PAGE, compare="Grid", axis_1="entropy", axis_2="refresh", backend="lsq-kd", weight_bits="3"
    )
    few(app, axis_1_entropy=["0", "0.5"])
    press(app, "Run 4 missing")
    specs = [run.spec for run in cluster.records.values()]
    found = [(spec.synthesis.coefficients.entropy, spec.fit.refresh > 0) for spec in specs]
    assert found == [(0.0, False), (0.0, True), (0.5, False), (0.5, True)]
    assert {spec.quantization.weight_bits for spec in specs} == {3}


def test_settings_off_the_axes_come_from_the_controls(open_page, press, cluster):
    app = open_page(
        PAGE, compare="Grid", images="8", steps="20", backend="minmax", eval_images="500", seed="4"
    )
    few(app, axis_1_bits=["W4A4"], axis_2_source=["maskaq"])
    press(app, "Run 1 missing")
    spec = cluster.current.spec
    assert (spec.synthesis.images, spec.synthesis.steps) == (8, 20)
    assert (spec.fit.backend, spec.eval_images, spec.seed) == ("minmax", 500, 4)


def test_cells_with_equal_runs_are_computed_once(open_page, press, cluster, text):
    app = open_page(
        PAGE, compare="Grid", axis_1="mask_ratio", axis_2="entropy", source="noise", weight_bits="3"
    )
    assert "Some cells are the same run" in text(app)
    press(app, "Run 1 missing")
    assert len(cluster.records) == 1


@pytest.mark.parametrize(
    "params, message",
    [
        ({"axis_1": "source"}, "both axes are source"),
        ({"axis_1": "refresh", "backend": "minmax"}, "never refreshes its images"),
    ],
)
def test_an_impossible_grid_is_refused(open_page, params, message):
    app = open_page(PAGE, compare="Grid", **params)
    assert not app.exception
    assert message in app.error[0].value


def test_the_address_holds_the_values_of_an_axis(open_page, text):
    app = open_page(PAGE, compare="Grid", axis_1_bits="W3A3", axis_2_source="noise")
    assert not any("Allowed" in warning.value for warning in app.warning)
    assert "The grid has 1 run," in text(app)
    assert app.get_by_key("axis_2_source").value == ["noise"]


def test_bad_values_in_the_address_are_named(open_page, text):
    app = open_page(PAGE, compare="Grid", axis_1="colour", axis_2="colour", axis_1_bits="W9A9")
    assert not app.exception
    assert (app.session_state["axis_1"], app.session_state["axis_2"]) == ("bits", "source")
    notice = app.warning[0].value
    assert "axis_1 = `colour`" in notice
    assert "axis_2 = `colour`" in notice
    assert "axis_1_bits = `W9A9`. Allowed: any of W8A8, W4A4, W3A3, W2A4." in notice
    assert "The grid has 16 runs" in text(app)


def test_an_axis_without_values_is_refused(open_page):
    app = few(open_page(PAGE, compare="Grid"), axis_1_bits=[])
    assert "one or more" in app.error[0].value


def test_a_demo_shows_but_does_not_compute(open_page, text, monkeypatch, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(PAGE, compare="Grid")
    assert not app.exception
    assert "This demo shows stored results" in text(app)
    assert app.button(key="grid").disabled
    assert states(app)["not computed"] == 15
    assert not cluster.warmed


def test_runs_of_another_model_need_its_weights(open_page, workplace):
    app = open_page(PAGE, compare="Grid", model=model_hub.NAME)
    assert not app.exception
    assert app.button(key="grid").disabled
    model_hub.cache(workplace)
    assert not app.run().button(key="grid").disabled
