"""A segmentation model as ONNX W8A8: the file computes what Q computes, and says how good it is."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest

from maskaq.cli import main
from maskaq.config.options import Reconstruction
from maskaq.config.presets import spec_of
from maskaq.data.scene_sets import scene_set
from maskaq.export.session import opened
from maskaq.models.loading import load_model
from maskaq.quantization.storage import load_q
from maskaq.results import store
from maskaq.runs.execute import execute

MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}


@pytest.fixture(scope="module", params=MODELS)
def exported(request, tmp_path_factory):
    """The file of a small run of a task, and the run's folder."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    base = spec_of("maskaq", (8, 8))
    spec = replace(
        base,
        model=MODELS[request.param],
        synthesis=replace(base.synthesis, images=8, steps=4),
        quantization=replace(base.quantization, scheme="integer"),
        fit=replace(base.fit, reconstruction=Reconstruction(batch=4, views=2)),
        eval_images=50,
    )
    store.save(execute(spec, progress=False), folder)
    path = folder.parent / "w8a8.onnx"
    arguments = [
        "export",
        str(folder),
        "--out",
        str(path),
        "--target",
        "avx2",
        "--eval-images",
        "40",
    ]
    assert main(arguments) == 0
    return request.param, path, folder


def test_the_file_has_qs_codes_and_the_metric_of_the_task(exported) -> None:
    task, path, _ = exported
    found = {one.key: json.loads(one.value) for one in onnx.load(path).metadata_props}
    checked = found["maskaq.checked"]
    assert checked["codes"]["weights"] > 1_700_000
    assert checked["codes"]["activations"] > 100_000
    answers = checked["answers"]
    assert answers["metric"] == {"segmentation": "mIoU", "detection": "AP"}[task]
    assert answers["top1"][3] == 40
    assert abs(answers["difference"][0]) < 0.02
    assert answers["agreement"][0] > 0.95


def test_the_file_answers_as_q_does(exported) -> None:
    task, path, folder = exported
    loaded = load_model(MODELS[task])
    images, _ = scene_set(task, "evaluation", range(6))
    inputs = loaded.normalise(images)
    file, q = opened(path).outputs(inputs), load_q(folder / "q.safetensors", loaded.model)(inputs)
    assert file.shape == q.shape
    typical = float(q.abs().mean())
    assert float((file - q).abs().mean()) < 0.05 * typical
    assert np.isfinite(file.numpy()).all()
    assert path.stat().st_size < 2.4e6  # a quarter of P's 7.9 MB, and a little
