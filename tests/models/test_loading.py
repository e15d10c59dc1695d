"""Loading models by name, with their preprocessing and classes."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save, save_file
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD, resolve_model_data_config

from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.errors import DataError, ModelError, OptionError, WeightsError
from maskaq.models import bundled, loading
from maskaq.models.loading import LoadedModel, load_model, with_class_names
from maskaq.models.training.loop import normalise
from tests.support import model_hub, weights_files

NAME = "deit_tiny_distilled_patch16_224"


@pytest.fixture(scope="module")
def own_weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """A file of weights with 7 classes in half precision, and the model."""
    torch.manual_seed(0)
    model = timm.create_model(NAME, num_classes=7).half().eval()
    path = tmp_path_factory.mktemp("weights") / "own.safetensors"
    save_file(model.state_dict(), path)
    return path, model.float()


def test_weights_from_a_file(own_weights: tuple[Path, torch.nn.Module]) -> None:
    path, model = own_weights
    loaded = load_model(NAME, path)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(images), model(images))
    assert (loaded.grid, loaded.prefix, loaded.size) == ((14, 14), 2, 224)
    assert loaded.class_names == tuple(f"class {index}" for index in range(7))
    assert loaded.synsets == ()
    assert loaded.data_config == resolve_model_data_config(model)
    assert not loaded.model.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.model.parameters())
    assert load_model(NAME, str(path), list("abcdefg")).class_names == tuple("abcdefg")


def test_ordinary_weights_leave_nothing_to_note(tmp_path: Path) -> None:
    model = weights_files.model_of()
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model("test_vit", tmp_path / "w.safetensors")
    assert loaded.notes == ()
    assert loaded.data_config == resolve_model_data_config(model)
    assert load_model("scenes_vit").notes == ()


def test_images_have_the_size_and_the_channels_of_the_weights(tmp_path: Path) -> None:
    """The same answers as the model for grey pictures gives, with grey values from Pillow."""
    model = weights_files.model_of("deit_tiny_patch16_224", img_size=48, in_chans=1, depth=12)
    state = {"module." + key: value for key, value in model.state_dict().items()}
    torch.save({"model": state}, tmp_path / "w.pt")
    loaded = load_model("deit_tiny_patch16_224", tmp_path / "w.pt")
    assert (loaded.size, loaded.grid) == (48, (3, 3))
    assert loaded.notes == (
        "took the weights in `model`",
        "removed the prefix `module.`",
        "48 x 48 pixels, from the position embeddings of the weights",
        "one input channel: pictures are turned to grey",
    )
    mean, std = (sum(values) / 3 for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    torch.testing.assert_close(loaded.mean, torch.full((1, 3, 1, 1), mean))
    pixels = torch.randint(256, (48, 48, 3), dtype=torch.uint8)
    grey = np.asarray(Image.fromarray(pixels.numpy()).convert("L")) / 255  # [48,48]
    given = torch.tensor((grey - mean) / std, dtype=torch.float32)[None, None]  # [1,1,48,48]
    answers = loaded.model(loaded.normalise(pixels.movedim(2, 0)[None]))  # of [1,3,48,48]
    torch.testing.assert_close(answers, model(given), rtol=0.02, atol=0.02 * float(answers.std()))


def test_pooling_is_a_setting_of_weights_files_only(tmp_path: Path) -> None:
    model = weights_files.model_of(global_pool="avg", fc_norm=False)
    save_file(model.state_dict(), tmp_path / "w.safetensors")
    loaded = load_model("test_vit", tmp_path / "w.safetensors", global_pool="avg")
    images = torch.rand(1, 3, 160, 160)
    torch.testing.assert_close(loaded.model(images), model(images))
    with pytest.raises(OptionError, match=r"unknown global_pool 'mean'.*avg, token"):
        load_model("test_vit", tmp_path / "w.safetensors", global_pool="mean")
    with pytest.raises(OptionError, match="weights of test_vit come with their pooling; leave"):
        load_model("test_vit", global_pool="avg")
    with pytest.raises(OptionError, match="that of scenes_vit is fixed; leave it out"):
        load_model("scenes_vit", global_pool="avg")


def test_1000_classes_of_a_file_are_not_called_imagenets_without_a_word(
    vit_tiny: LoadedModel, shared: Path, tmp_path: Path
) -> None:
    assert vit_tiny.notes == (
        "the 1,000 classes of the weights file are taken to be ImageNet's, because of their "
        "number; if they are others, pass --class-names FILE",
    )
    weights = shared / "models" / "vit_tiny_patch16_224.safetensors"
    assert load_model("vit_tiny_patch16_224.augreg_in21k_ft_in1k", weights).notes == ()
    (tmp_path / "names.txt").write_text("\n".join(f"thing {index}" for index in range(1000)))
    named = with_class_names(vit_tiny, tmp_path / "names.txt")
    assert (named.class_names[7], named.synsets, named.notes) == ("thing 7", (), ())
    assert load_model("scenes_vit").notes == ()


def test_class_names_must_match_the_number_of_classes(
    own_weights: tuple[Path, torch.nn.Module],
) -> None:
    with pytest.raises(OptionError, match=rf"2 class names for 7 classes of {NAME}"):
        load_model(NAME, own_weights[0], ["cat", "dog"])


def test_bundled_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = bundled.scenes_vit().eval()
    file = tmp_path / "scenes_vit.safetensors"
    save_file(model.state_dict(), file)
    monkeypatch.setattr(bundled, "FOLDER", tmp_path)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    for weights in (None, "", file):
        loaded = load_model("scenes_vit", weights)
        assert (loaded.grid, loaded.prefix, loaded.size) == ((8, 8), 1, 64)
        assert loaded.class_names == CLASS_NAMES
        with torch.no_grad():
            assert torch.equal(
                loaded.model(loaded.normalise(images)), model(loaded.normalise(images))
            )
    torch.testing.assert_close(loaded.normalise(images), normalise(images))
    file.unlink()
    with pytest.raises(
        ModelError, match=r"checkpoint of scenes_vit is missing.*maskaq\.models\.train"
    ):
        load_model("scenes_vit")


LEAST = {"scenes_vit_seg": ("mIoU", 0.70), "scenes_vit_det": ("AP", 0.65)}


@pytest.mark.parametrize("name", bundled.MODELS)
def test_a_bundled_checkpoint_matches_its_card(name: str) -> None:
    card = json.loads(bundled.MODELS[name].card.read_text())
    raw = bundled.MODELS[name].checkpoint.read_bytes()
    assert card["sha256"] == hashlib.sha256(raw).hexdigest()
    assert len(raw) < 8_000_000
    metric, least = LEAST.get(name, ("top1", 0.85))
    assert card[metric]["value"] >= least


def test_normalise(scenes_p: LoadedModel) -> None:
    config = {**scenes_p.data_config, "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.25, 2.0)}
    loaded = replace(scenes_p, data_config=config)
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    expected = torch.empty(2, 3, 64, 64)
    for channel in range(3):
        unit = images[:, channel].double() / 255
        expected[:, channel] = (unit - config["mean"][channel]) / config["std"][channel]
    torch.testing.assert_close(loaded.normalise(images), expected)
    torch.testing.assert_close(loaded.normalise(images.double() / 255), expected)
    assert loaded.normalise(images).dtype == torch.float32


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(2, 3, 64, 32),
        torch.zeros(3, 64, 64),
        torch.zeros(2, 1, 64, 64),
        torch.zeros(2, 3, 64, 64, dtype=torch.int64),
    ],
)
def test_images_of_other_shapes_or_types_are_refused(
    scenes_p: LoadedModel, images: torch.Tensor
) -> None:
    with pytest.raises(DataError, match=r"scenes_vit needs uint8 or float in 0..1, \[B, 3, 64, 64"):
        scenes_p.normalise(images)


def test_a_pretrained_model_has_the_imagenet_classes(vit_tiny: LoadedModel) -> None:
    assert (vit_tiny.grid, vit_tiny.prefix, vit_tiny.size) == ((14, 14), 1, 224)
    assert len(vit_tiny.class_names) == len(vit_tiny.synsets) == 1000
    assert (vit_tiny.synsets[0], vit_tiny.class_names[0]) == ("n01440764", "tench, Tinca tinca")
    assert vit_tiny.mean.flatten().tolist() == vit_tiny.std.flatten().tolist() == [0.5] * 3


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_the_message_says_what_to_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    model_hub.use(monkeypatch, tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    advice = rf"no pretrained weights for {NAME} .* `--model {NAME} --weights FILE`"
    with pytest.raises(ModelError, match=advice):
        load_model(NAME)


@pytest.fixture
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.nn.Module]:
    """A model whose weights are on a hub; its progress bar shows every piece."""
    torch.manual_seed(3)
    model = timm.create_model(NAME).eval()
    hub = model_hub.ModelHub()
    hub.add(NAME, save(model.state_dict()))
    model_hub.use(monkeypatch, tmp_path, hub)
    monkeypatch.setattr(loading, "_QUIET", 1e-9)
    monkeypatch.setattr(loading, "tqdm", partial(loading.tqdm, mininterval=0))
    yield model
    hub.close()


def test_pretrained_weights_are_downloaded_once_with_a_progress_bar(
    pretrained: torch.nn.Module, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_model(NAME)
    assert torch.equal(loaded.model.head.weight, pretrained.head.weight)
    assert len(loaded.class_names) == len(loaded.synsets) == 1000
    assert not any(parameter.requires_grad for parameter in loaded.model.parameters())
    shown = capsys.readouterr()
    assert f"Downloading {NAME}" in shown.err
    assert "M/23.7M [" in shown.err
    assert not shown.out
    load_model(NAME)
    assert not capsys.readouterr().err


@pytest.mark.usefixtures("pretrained")
def test_a_worker_shows_no_progress_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(loading, "parent_process", lambda: "the parent of a worker")
    load_model(NAME)
    assert not capsys.readouterr().err


def test_a_damaged_cached_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_hub.use(monkeypatch, tmp_path)
    path = model_hub.cache(tmp_path, NAME)
    with pytest.raises(WeightsError, match=rf"{path} is damaged .*; delete it"):
        load_model(NAME)


def test_an_architecture_without_pretrained_weights_asks_for_a_file() -> None:
    name = "vit_base_patch16_gap_224"
    with pytest.raises(
        ModelError, match=rf"timm has no pretrained weights for {name}; pass `--mod"
    ):
        load_model(name)


def test_a_file_without_a_head_gives_a_model_of_features(tmp_path: Path) -> None:
    model = timm.create_model("vit_small_patch14_dinov2", num_classes=0, img_size=56).eval()
    save_file(model.state_dict(), tmp_path / "features.safetensors")
    loaded = load_model("vit_small_patch14_dinov2", tmp_path / "features.safetensors")
    assert (loaded.class_names, loaded.classifies, loaded.size) == ((), False, 56)
    images = torch.rand(1, 3, 56, 56)
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(images), model(images))  # [1,384]
