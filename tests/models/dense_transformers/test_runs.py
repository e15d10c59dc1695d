"""A whole run with a model of transformers and an annotated folder, as on the command line."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskaq.cli import main
from maskaq.errors import DataError, OptionError
from maskaq.models.loading import load_model
from maskaq.queries.checks import inspect
from maskaq.results import store
from maskaq.runs.cache import key_of
from tests.support.dense_transformers import NAMES, build, save, side_of

pytest.importorskip("transformers", reason="transformers is not installed")
COUNT = 6


def images(folder: Path, side: int) -> list[str]:
    """Pictures of random squares."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    names = [f"{number}.png" for number in range(COUNT)]
    for name in names:
        blocks = random.integers(0, 255, (8, 8, 3), np.uint8)
        Image.fromarray(blocks).resize((side, side), 0).save(folder / name)
    return names


@pytest.fixture
def class_maps(tmp_path: Path) -> Path:
    folder, side = tmp_path / "ade", side_of("segformer")
    (folder / "annotations").mkdir(parents=True)
    for number, name in enumerate(images(folder / "images", side)):
        classes = np.full((side, side), number % len(NAMES), np.uint8)
        Image.fromarray(classes).save(folder / "annotations" / name)
    return folder


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    folder, side = tmp_path / "coco", side_of("yolos")
    names = images(folder / "images", side)
    document = {
        "images": [
            {"id": number, "file_name": name, "width": side, "height": side}
            for number, name in enumerate(names)
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n % len(NAMES), "bbox": [4, 4, 20, 30]}
            for n in range(COUNT)
        ],
        "categories": [{"id": number, "name": name} for number, name in enumerate(NAMES)],
    }
    (folder / "instances_val.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("name", ["segformer", "yolos"])
def test_a_run_from_the_command_line(name: str, tmp_path: Path, request, capsys) -> None:
    data = request.getfixturevalue({"segformer": "class_maps", "yolos": "boxes"}[name])
    model = save(build(name), tmp_path / "model", side_of(name))
    out = tmp_path / "run"
    words = ["run", "--model", f"transformers:{model}", "--data", str(data), "--bits", "W8A8"]
    options = ["--source", "noise", "--backend", "tails", "--images", "4", "--out", str(out)]
    assert main([*words, *options]) == 0
    assert {"segformer": "mIoU", "yolos": "AP50"}[name] in capsys.readouterr().out
    result = store.read(out).result
    assert result.task == {"segformer": "segmentation", "yolos": "detection"}[name]
    assert result.evaluated == COUNT
    assert result.agreement > 0.8


@pytest.mark.parametrize("name", ["segformer", "yolos"])
def test_own_files_are_checked_before_a_run(name: str, tmp_path: Path, request) -> None:
    data = request.getfixturevalue({"segformer": "class_maps", "yolos": "boxes"}[name])
    model = f"transformers:{save(build(name), tmp_path / 'model', side_of(name))}"
    found = inspect(model, folder=str(data))
    assert found["task"] == {"segformer": "segmentation", "yolos": "detection"}[name]
    assert (found["images"], found["labels"]) == (COUNT, 0)
    assert found["classes"] == len(NAMES)
    assert inspect(model, folder=str(data), skip_unreadable=True)["images"] == COUNT
    for picture in (data / "images").iterdir():
        picture.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"\.png"):
        inspect(model, folder=str(data))


def test_a_model_that_was_saved_again_is_loaded_again(tmp_path: Path) -> None:
    folder = save(build("segformer"), tmp_path / "model")
    key = key_of(f"transformers:{folder}", "")
    assert key == key_of(f"transformers:{folder}", "")
    os.utime(folder / "config.json", (1, 1))
    assert key != key_of(f"transformers:{folder}", "")


def test_a_model_without_images_asks_for_them(tmp_path: Path, capsys) -> None:
    model = save(build("segformer"), tmp_path / "model")
    assert main(["run", "--model", f"transformers:{model}", "--source", "noise"]) != 0
    assert "images and class maps as in ADE20K" in capsys.readouterr().err


def test_other_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="comes with its weights"):
        load_model(f"transformers:{tmp_path}", tmp_path / "other.safetensors")
