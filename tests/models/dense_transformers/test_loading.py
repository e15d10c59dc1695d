"""What is read from a folder, and what is refused."""

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from maskaq.errors import MaskaqError, ModelError, OptionError, WeightsError
from maskaq.models.dense_transformers import load_dense
from maskaq.models.loading import LoadedModel
from tests.support.dense_transformers import BUILDERS, MEAN, NAMES, STD, build, noise, save

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

Folder = Callable[[str], Path]
Load = Callable[[str], LoadedModel]


def copied(folder_of: Folder, name: str, to: Path) -> Path:
    """A copy of a folder that a test may change."""
    return Path(shutil.copytree(folder_of(name), to / "model"))


def change(path: Path, remove: tuple[str, ...] = (), **values: Any) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_text())
    kept = {key: value for key, value in content.items() if key not in remove}
    path.write_text(json.dumps(kept | values))


@pytest.mark.parametrize("name", BUILDERS)
def test_a_folder_is_loaded(name: str, loaded: Load, folder_of: Folder) -> None:
    p = loaded(name)
    assert p.name == str(folder_of(name))
    assert p.task == ("detection" if name == "yolos" else "segmentation")
    assert p.class_names == NAMES
    assert p.sides == noise(name).shape[2:]
    assert p.data_config == {
        "input_size": (3, *p.sides),
        "interpolation": "bicubic",
        "mean": tuple(MEAN),
        "std": tuple(STD),
        "crop_pct": 1.0,
        "crop_mode": "squash",
    }
    assert not p.model.training
    assert not any(parameter.requires_grad for parameter in p.model.parameters())
    assert {parameter.dtype for parameter in p.model.parameters()} == {torch.float32}
    left_out = "left out 2 layers that the model never calls: model.neck.fusion_stage.layers.0"
    assert [note[: len(left_out)] for note in p.notes] == ([left_out] if name == "dpt" else [])


@torch.no_grad()
def test_weights_in_half_precision(folder_of: Folder, tmp_path: Path, loaded: Load) -> None:
    folder = copied(folder_of, "segformer", tmp_path)
    path = folder / "model.safetensors"
    state = load_file(path)
    halves = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    save_file(halves, path)
    p = load_dense(folder)
    assert p.notes == ("the weights are float16, and computed with in float32",)
    assert {parameter.dtype for parameter in p.model.parameters()} == {torch.float32}
    images = noise("segformer")
    expected = loaded("segformer").model(images)
    torch.testing.assert_close(p.model(images), expected, rtol=0.02, atol=0.02)


@torch.no_grad()
def test_weights_of_pytorch_are_read_as_tensors(
    folder_of: Folder, tmp_path: Path, loaded: Load
) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    path = folder / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), path)
    (folder / "model.safetensors").unlink()
    images = noise("yolos")
    assert torch.equal(load_dense(folder).model(images), loaded("yolos").model(images))
    torch.save({"a": Danger()}, path)
    with pytest.raises(WeightsError, match="Python objects, which could run code and are not load"):
        load_dense(folder)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(WeightsError, match="a Python pickle, which could run code and is not load"):
        load_dense(folder)
    torch.save({"state_dict": {"a": torch.ones(1)}}, path)
    with pytest.raises(WeightsError, match="is not a state dict, which has a tensor for each name"):
        load_dense(folder)
    assert not Path("danger").exists()


class Danger:
    """Writes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("danger", "w"))


def test_weights_that_outputs_do_not_need(folder_of: Folder, tmp_path: Path, loaded: Load) -> None:
    folder = copied(folder_of, "upernet, swin", tmp_path)
    path = folder / "model.safetensors"
    spare = ("auxiliary_head.", "backbone.layernorm.", "backbone.swin.layernorm.")
    kept = {key: v for key, v in load_file(path).items() if not key.startswith(spare)}
    assert len(kept) < len(load_file(path))
    save_file(kept | {"another.weight": torch.ones(1)}, path)
    p = load_dense(folder)
    assert p.notes == ("left out 1 weights that the model does not have: another.weight",)
    images = noise("upernet, swin")
    assert torch.equal(p.model(images), loaded("upernet, swin").model(images))


def test_class_names(folder_of: Folder, tmp_path: Path) -> None:
    letters = ("a", "b", "c", "d", "e")
    assert load_dense(folder_of("dpt"), class_names=letters).class_names == letters
    with pytest.raises(OptionError, match=r"2 class names for the 5 classes of .*config\.json"):
        load_dense(folder_of("dpt"), class_names=letters[:2])
    folder = copied(folder_of, "dpt", tmp_path)
    labels = {str(index): f"LABEL_{index}" for index in range(5)}
    change(folder / "config.json", ("label2id",), id2label=labels)
    p = load_dense(folder)
    assert p.class_names == tuple(labels.values())
    assert "config.json does not name the classes" in p.notes


PREPROCESSORS: list[tuple[dict[str, Any], tuple[int, int], str]] = [
    ({"size": 96}, (96, 96), ""),
    ({"size": {"height": 32, "width": 64}}, (32, 64), ""),
    ({"size": [32, 64]}, (32, 64), ""),
    ({"size": 96, "do_center_crop": True, "crop_size": {"height": 64, "width": 80}}, (64, 80), ""),
    ({"size": {"shortest_edge": 48, "longest_edge": 80}}, (48, 48), "without keeping their aspect"),
    ({"size": 50}, (48, 48), "the image size is 48 x 48 instead of 50 x 50, as the model needs"),
    ({"size": 1}, (16, 16), "instead of 1 x 1"),
    ({"size": {"max_height": 5}}, (64, 64), "that of config.json"),
    ({"size": None}, (64, 64), "that of config.json"),
    ({"size": -64}, (64, 64), "that of config.json"),
    ({"size": True}, (64, 64), "that of config.json"),
]


@pytest.mark.parametrize("said, sides, note", PREPROCESSORS)
def test_the_size_is_that_of_the_preprocessor(
    said: dict[str, Any], sides: tuple[int, int], note: str, folder_of: Folder, tmp_path: Path
) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    change(folder / "preprocessor_config.json", **said)
    p = load_dense(folder)
    assert p.sides == sides
    assert p.grid == (sides[0] // 16, sides[1] // 16)
    assert bool(p.notes) == bool(note)
    assert note in "; ".join(p.notes)


def test_the_size_is_assumed_where_no_file_says_it(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "segformer", tmp_path)
    (folder / "preprocessor_config.json").unlink()
    p = load_dense(folder)
    assert p.sides == (512, 512)
    assert p.notes[0] == "the image size is assumed to be 512 pixels"
    assert p.notes[1].startswith("mean and standard deviation of the channels are assumed to be Im")
    assert p.data_config["mean"] == (0.485, 0.456, 0.406)


def test_square_images_where_the_model_needs_them(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "dpt", tmp_path)
    change(folder / "preprocessor_config.json", size={"height": 80, "width": 64})
    p = load_dense(folder)
    assert p.sides == (64, 64)
    assert "images are square, of 64 pixels, as the model needs" in p.notes
    with pytest.raises(OptionError, match=r"\(32, 64\); this model takes square images only"):
        load_dense(folder, size=(32, 64))


@pytest.mark.parametrize("size", [0, -16, 8192, 16.0, True, (64,), (64, 64, 64), "64", (64, "a")])
def test_sizes_that_are_none(size: Any, folder_of: Folder) -> None:
    with pytest.raises(OptionError, match="one or two whole numbers of pixels from 1 to 4096"):
        load_dense(folder_of("yolos"), size=size)


def test_a_size_that_is_no_multiple_of_the_patch(folder_of: Folder) -> None:
    with pytest.raises(OptionError, match="needs multiples of 16 x 16 pixels, such as 64 x 96"):
        load_dense(folder_of("yolos"), size=(66, 90))


def test_a_size_that_the_model_cannot_be_run_on(tmp_path: Path) -> None:
    """Here because of its position embeddings."""
    folder = save(build("upernet, swin", absolute=True), tmp_path, 56)
    assert load_dense(folder).grid == (14, 14)
    with pytest.raises(ModelError, match=r"cannot be run on images of 32 x 32 pixels \(Runtime"):
        load_dense(folder, size=32)


SCALES = [
    ({}, [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]),
    ({"rescale_factor": 1 / 127.5}, [0.2, 0.25, 0.3], [0.1, 0.15, 0.125]),
    ({"do_rescale": False, "image_mean": [102, 51, 0], "image_std": [51] * 3}, [0.4, 0.2, 0], 0.2),
    ({"do_normalize": False}, 0.0, 1.0),
    ({"rescale_factor": "x"}, [0.4, 0.5, 0.6], [0.2, 0.3, 0.25]),
]


@pytest.mark.parametrize("said, mean, std", SCALES)
def test_mean_and_standard_deviation_are_for_images_from_0_to_1(
    said: dict[str, Any], mean: Any, std: Any, folder_of: Folder, tmp_path: Path
) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    change(folder / "preprocessor_config.json", **said)
    p = load_dense(folder)
    for found, expected in ((p.mean, mean), (p.std, std)):
        wanted = torch.tensor(expected).expand(3) if isinstance(expected, float) else expected
        torch.testing.assert_close(found.flatten(), torch.as_tensor(wanted))


def test_labels_that_count_from_1_are_noted(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "dpt", tmp_path)
    change(folder / "preprocessor_config.json", do_reduce_labels=True)
    assert any(
        "classes are numbered from 1, and 0 is no class" in n for n in load_dense(folder).notes
    )


CONFIGS: list[tuple[str, dict[str, Any], str]] = [
    (
        "segformer",
        {"architectures": ["Mask2FormerForUniversalSegmentation"]},
        r"is of Mask2FormerForUniversalSegmentation, which is not supported; supported: SegFormer "
        r"\(SegformerForSemanticSegmentation\), UPerNet .*, DPT .*, YOLOS",
    ),
    ("segformer", {"architectures": ["OneFormerForUniversalSegmentation"]}, "is of OneFormer"),
    ("yolos", {"architectures": ["DetrForObjectDetection"]}, "is of DetrForObjectDetection"),
    ("segformer", {"architectures": ["SegformerForImageClassification"]}, "ImageClassification"),
    ("segformer", {"architectures": None}, "does not name an architecture"),
    ("segformer", {"architectures": [1]}, "does not name an architecture"),
    ("dpt", {"is_hybrid": True}, "is of a hybrid DPT, whose patches come from a convolutional"),
    (
        "upernet, swin",
        {"backbone_config": {"model_type": "convnext"}},
        r"UPerNet with the backbone 'convnext', which is not supported; supported .*: swin, beit, "
        "dinov2, dinov2_with_registers",
    ),
    ("upernet, swin", {"backbone_config": None, "backbone": "resnet50"}, "backbone 'resnet50'"),
    ("upernet, swin", {"backbone_config": "swin"}, "backbone None"),
    ("segformer", {"hidden_sizes": "x"}, "does not describe a model that transformers can build"),
    (
        "segformer",
        {"id2label": {"0": "a", "2": "b"}},
        r"numbers its 2 classes 0, 2 .*expected 0 to",
    ),
]


@pytest.mark.parametrize("name, values, message", CONFIGS)
def test_what_is_not_supported_is_named(
    name: str, values: dict[str, Any], message: str, folder_of: Folder, tmp_path: Path
) -> None:
    folder = copied(folder_of, name, tmp_path)
    change(folder / "config.json", ("label2id",), **values)
    with pytest.raises(ModelError, match=message):
        load_dense(folder)


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("text", ["{", "[1]", "", "\0", "[" * 100_000])
def test_damaged_files(file: str, text: str, folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    (folder / file).write_text(text)
    with pytest.raises(ModelError, match=rf"{file} .*download it again"):
        load_dense(folder)


def test_config_json_is_missing(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    (folder / "config.json").unlink()
    with pytest.raises(
        ModelError, match=r"has no config\.json; pass a folder as `save_pretrained`"
    ):
        load_dense(folder)


def edited(state: dict[str, torch.Tensor], **changes: Any) -> dict[str, torch.Tensor]:
    return {**state, **changes}


HEAD = "decode_head.classifier.weight"
WEIGHTS: list[tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = [
    (lambda s: {k: v for k, v in s.items() if k != HEAD}, rf"lacks {HEAD}; pass all weights"),
    (
        lambda s: edited(s, **{HEAD: torch.zeros(7, 16, 1, 1)}),
        rf"{HEAD} is \[7, 16, 1, 1\], but \[5, 16, 1, 1\] by the config.json beside it",
    ),
    (lambda s: edited(s, **{HEAD: s[HEAD] * torch.nan}), rf"NaN or infinite weights in {HEAD}"),
    (lambda s: edited(s, **{HEAD: s[HEAD].to(torch.int8)}), rf"{HEAD} is int8"),
]


@pytest.mark.parametrize("edit, message", WEIGHTS)
def test_weights_that_do_not_fit(
    edit: Callable[[Any], Any], message: str, folder_of: Folder, tmp_path: Path
) -> None:
    folder = copied(folder_of, "segformer", tmp_path)
    path = folder / "model.safetensors"
    save_file(edit(load_file(path)), path)
    with pytest.raises(WeightsError, match=message):
        load_dense(folder)


def test_another_number_of_classes_than_in_the_weights(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "yolos", tmp_path)
    change(folder / "config.json", ("label2id",), id2label={"0": "cat", "1": "dog"})
    with pytest.raises(WeightsError, match=r"layers\.2\.\w+ is \[6.*, but \[3.* by the config"):
        load_dense(folder)


def test_weights_are_missing(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "segformer", tmp_path)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        load_dense(folder)
    path.unlink()
    with pytest.raises(WeightsError, match=r"a folder without weights; .* model\.safetensors or"):
        load_dense(folder)


def test_progress_bars_and_messages_of_transformers_stay_as_they_were(
    folder_of: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    own = transformers.utils.logging
    before = own.get_verbosity(), own.is_progress_bar_enabled()
    load_dense(folder_of("dpt"))
    assert (own.get_verbosity(), own.is_progress_bar_enabled()) == before
    assert capfd.readouterr() == ("", "")


def test_without_transformers(folder_of: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of("dpt")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MaskaqError, match=r'run `pip install "maskaq\[transformers\]"`'):
        load_dense(folder)


def test_transformers_is_imported_on_use() -> None:
    code = "import maskaq.models.dense_transformers, sys; sys.exit('transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_config_json_says_about_code_is_not_used(folder_of: Folder, tmp_path: Path) -> None:
    folder = copied(folder_of, "segformer", tmp_path)
    code = {"AutoModelForSemanticSegmentation": "evil.Model"}
    change(folder / "config.json", auto_map=code, quantization_config={"quant_method": "evil"})
    assert load_dense(folder).class_names == NAMES


def test_a_saved_model_may_have_a_pickle_beside_it(folder_of: Folder, tmp_path: Path) -> None:
    folder = save(build("segformer"), tmp_path)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(1))
    assert load_dense(folder).notes == (
        "took model.safetensors of the files model.safetensors, pytorch_model.bin",
    )
