"""Segmentation and detection on the page Make one: real runs, stored with the page's settings."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.options import Reconstruction
from maskaq.config.presets import spec_of
from maskaq.results import store
from maskaq.runs.execute import execute
from maskaq.ui.state import pages, stored_runs

MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}
METRIC = {"segmentation": "mIoU", "detection": "AP"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A small run of each task under the settings that the page has at first."""
    folder = tmp_path_factory.mktemp("runs")
    for task, model in MODELS.items():
        spec = replace(spec_of("maskaq"), model=model)
        small = replace(
            spec,
            synthesis=replace(spec.synthesis, images=8, steps=3),
            fit=replace(spec.fit, reconstruction=Reconstruction(batch=4, views=2)),
            eval_images=40,
        )
        finished = execute(small, progress=False)
        store.save(replace(finished, result=replace(finished.result, spec=spec)), folder / task)
    return folder


@pytest.fixture(autouse=True)
def shipped_runs(runs, workplace, monkeypatch) -> None:
    monkeypatch.setattr(stored_runs, "EXAMPLES", runs)


@pytest.mark.parametrize("task", MODELS)
def test_the_result_names_its_metric(open_page, text, task) -> None:
    app = open_page(pages.MAKE_ONE, model=MODELS[task], make="Result")
    assert not app.exception
    assert f"% of the {METRIC[task]}**" in text(app)
    assert "top-1" not in text(app)


@pytest.mark.parametrize("task", MODELS)
def test_samples_show_their_targets(open_page, text, task) -> None:
    app = open_page(pages.MAKE_ONE, model=MODELS[task], make="Draw")
    assert not app.exception
    assert "Showing 6 of 8, with what each was made to show" in text(app)


@pytest.mark.parametrize("task", MODELS)
def test_differences_name_the_class_that_loses_most(open_page, text, task) -> None:
    app = open_page(pages.MAKE_ONE, model=MODELS[task], make="Result", result="Disagreements")
    assert not app.exception
    shown = text(app)
    assert " loses most: " in shown
    assert "Where P and Q differ most" in shown
    unit = {"segmentation": "pixels", "detection": "objects that P finds"}[task]
    assert f"% of the {unit}." in shown


@pytest.mark.parametrize("task", MODELS)
@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.title)
def test_every_page_opens_with_a_dense_model(open_page, page, task) -> None:
    for tab in page.tabs:
        params = {page.parameter: tab} if tab else {}
        app = open_page(page, model=MODELS[task], **params)
        assert not app.exception


def test_the_task_of_the_sidebar_chooses_a_model(open_page) -> None:
    app = open_page(pages.MAKE_ONE)
    task = app.selectbox(key="model_task")
    assert task.value == "classification"
    assert "scenes_vit_seg" not in app.selectbox(key="model").options
    app = task.set_value("detection").run()
    assert not app.exception
    assert app.selectbox(key="model").value == "scenes_vit_det"
    # The first one is the default of the URL; choosing it leads back to its task.
    options = ["scenes_vit (classification)", "scenes_vit_det"]
    assert app.selectbox(key="model").options == options
    app = app.selectbox(key="model").set_value("scenes_vit").run()
    assert app.selectbox(key="model_task").value == "classification"
