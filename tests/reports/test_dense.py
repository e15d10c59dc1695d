"""A report about segmentation and detection."""

from dataclasses import replace

import pytest

from maskaq.config.options import FitOptions, SynthesisOptions
from maskaq.config.presets import spec_of
from maskaq.reports import summary
from maskaq.reports.html import html
from maskaq.results import store
from maskaq.runs.execute import execute

MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}


@pytest.fixture(scope="module", params=MODELS)
def stored(request, tmp_path_factory):
    spec = replace(
        spec_of("maskaq", (3, 3)),
        model=MODELS[request.param],
        synthesis=SynthesisOptions(source="noise", images=4),
        fit=FitOptions(backend="minmax"),
        eval_images=30,
    )
    folder = tmp_path_factory.mktemp("run") / request.param
    store.save(execute(spec, progress=False), folder)
    return store.read(folder)


def test_the_page_names_metric_and_agreement(stored) -> None:
    page = summary.of_runs([stored])
    metric = {"segmentation": "mIoU", "detection": "AP"}[stored.result.task]
    unit = {"segmentation": "pixels", "detection": "objects that P finds"}[stored.result.task]
    assert f"of the {metric}**" in page.good
    assert page.sure.endswith(f"of the {unit}.")


def test_the_report_shows_truth_p_and_q(stored) -> None:
    text = html([stored], "today")
    assert "Truth, P and Q on the images on which they differ most" in text
    metric = {"segmentation": "IoU", "detection": "AP"}[stored.result.task]
    assert f"{metric} of each class on 30 images" in text
    assert "Which model is right" not in text
