"""Runs on a visitor's annotated folder: class maps beside images, and boxes in COCO's format."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskaq.config import RunSpec
from maskaq.config.options import FitOptions, SynthesisOptions
from maskaq.data.scene_sets import scene_set
from maskaq.errors import DataError
from maskaq.models import bundled
from maskaq.runs.execute import execute

COUNT = 12


def spec(model: str, folder: Path, source: str = "noise") -> RunSpec:
    return RunSpec(
        model=model,
        data=str(folder),
        synthesis=SynthesisOptions(source=source, images=4),
        fit=FitOptions(backend="minmax"),
    )


def write_images(images: torch.Tensor, folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    names = []
    for number, image in enumerate(images):
        names.append(f"{number:03}.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(folder / names[-1])
    return names


@pytest.fixture
def class_maps(tmp_path: Path) -> Path:
    images, maps = scene_set("segmentation", "evaluation", range(COUNT))
    names = write_images(images, tmp_path / "images")
    (tmp_path / "annotations").mkdir()
    for name, classes in zip(names, maps, strict=True):
        Image.fromarray(classes.numpy().astype(np.uint8)).save(tmp_path / "annotations" / name)
    return tmp_path


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    images, objects = scene_set("detection", "evaluation", range(COUNT))
    names = write_images(images, tmp_path / "images")
    annotations = []
    for image, own in enumerate(objects):
        for number, left, top, right, bottom in own[own[:, 0] >= 0].tolist():
            box = [64 * side for side in (left, top, right - left, bottom - top)]
            entry = {"image_id": image, "category_id": int(number), "bbox": box, "iscrowd": 0}
            annotations.append({"id": len(annotations), "area": box[2] * box[3], **entry})
    document = {
        "images": [
            {"id": number, "file_name": name, "width": 64, "height": 64}
            for number, name in enumerate(names)
        ],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(bundled.VIT.class_names)
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(document))
    return tmp_path


@pytest.mark.parametrize("kind", ["class_maps", "boxes"])
def test_a_folder_gives_the_numbers_of_the_same_scenes(kind: str, request) -> None:
    folder = request.getfixturevalue(kind)
    model = {"class_maps": "scenes_vit_seg", "boxes": "scenes_vit_det"}[kind]
    own = execute(spec(model, folder), progress=False).result
    there = execute(
        RunSpec(
            model=model,
            synthesis=SynthesisOptions(source="noise", images=4),
            fit=FitOptions(backend="minmax"),
            eval_images=COUNT,
        ),
        progress=False,
    ).result
    assert own.evaluated == there.evaluated == COUNT
    assert own.fp.top1 == pytest.approx(there.fp.top1, abs=1e-6)
    assert own.q.top1 == pytest.approx(there.q.top1, abs=1e-6)


def test_the_source_real_takes_images_that_are_not_evaluated(class_maps: Path) -> None:
    finished = execute(spec("scenes_vit_seg", class_maps, "real"), progress=False)
    assert finished.result.evaluated == COUNT - 4
    assert finished.samples.labels.shape == (4, 64, 64)


def test_a_wrong_annotation_stops_the_run_by_its_file(class_maps: Path) -> None:
    path = class_maps / "annotations" / "003.png"
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(path)
    with pytest.raises(DataError, match=r"003\.png.*77"):
        execute(spec("scenes_vit_seg", class_maps), progress=False)
