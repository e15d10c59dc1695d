"""Image folders: preprocessed as timm does, and refused with a message for every mistake."""

import os
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm.data import create_transform

from maskaq.data import decoding
from maskaq.data.folder import Images, load_images, split_images, transform_of
from maskaq.errors import DataError
from maskaq.models.loading import LoadedModel

CONFIG = {
    "input_size": (3, 24, 24),
    "interpolation": "bicubic",
    "crop_pct": 0.9,
    "crop_mode": "center",
}
SYNSETS = [f"n{number:08}" for number in range(12)]


def write_image(
    path: Path, seed: int = 0, size: tuple[int, int] = (40, 30), mode: str = "RGB"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Classes 3, 7 and 11 with 4, 2 and 6 images; named in three ways, and files to ignore."""
    for name, count in {SYNSETS[3]: 4, "7": 2, "011": 6}.items():
        for number in range(count):
            ending = "png" if number else "JPEG"
            mode = "L" if number == 1 else "RGB"
            write_image(tmp_path / name / f"{number}.{ending}", number, mode=mode)
    (tmp_path / "7" / "notes.txt").write_text("not an image")
    (tmp_path / "7" / "._0.png").write_text("metadata of some file systems")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "list.csv").write_text("")
    return tmp_path


def load(folder: Path | str, **options: object) -> Images:
    return load_images(folder, CONFIG, **{"synsets": SYNSETS, **options})


def test_all_images_are_read_with_their_labels(folder: Path) -> None:
    images = load(str(folder))
    assert (images.images.shape, images.images.dtype) == ((12, 3, 24, 24), torch.uint8)
    assert images.labels.tolist() == [3] * 4 + [7] * 2 + [11] * 6
    assert images.labels.dtype == torch.int64
    assert len(images) == len(set(images.paths)) == 12
    assert [int(path.stem) for path in images.paths] == [0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    "change", [{}, {"crop_pct": 1.0, "interpolation": "bilinear"}, {"crop_mode": "squash"}]
)
def test_images_are_preprocessed_as_timm_does(folder: Path, change: dict[str, object]) -> None:
    config = {**CONFIG, **change}
    images = load_images(folder, config, synsets=SYNSETS)
    transform = create_transform(**config, mean=(0.0,) * 3, std=(1.0,) * 3)
    for path, stored in zip(images.paths, images.images, strict=True):
        with Image.open(path) as raw:
            torch.testing.assert_close(stored / 255, transform(raw.convert("RGB")))
    if change:
        assert not torch.equal(images.images, load(folder).images)


def test_a_limit_is_spread_over_the_classes(folder: Path) -> None:
    some = load(folder, limit=7, seed=4)
    assert Counter(some.labels.tolist()) == {3: 3, 7: 2, 11: 2} or Counter(
        some.labels.tolist()
    ) == {3: 2, 7: 2, 11: 3}
    assert set(load(folder, limit=2, seed=4).paths) < set(some.paths)
    again = load(folder, limit=7, seed=4)
    assert (again.paths, again.labels.tolist()) == (some.paths, some.labels.tolist())
    assert torch.equal(again.images, some.images)
    assert {load(folder, limit=1, seed=seed).paths for seed in range(20)} > {some.paths[:1]}
    assert set(load(folder, limit=100).paths) == set(load(folder).paths)


@pytest.mark.parametrize(
    "name, options, allowed",
    [
        ("cat", {}, r"a synset such as n00000000, or the class index 0 to 11"),
        ("12", {}, "the class index 0 to 11"),
        ("n99999999", {}, "a synset such as n00000000"),
        ("-1", {"synsets": None}, "allowed: the class index"),
        ("²", {"synsets": None}, "allowed: the class index"),
        ("10", {"synsets": None, "classes": 10}, "allowed: the class index 0 to 9"),
    ],
)
def test_unknown_class_folders_are_refused(
    tmp_path: Path, name: str, options: dict[str, object], allowed: str
) -> None:
    write_image(tmp_path / "3" / "a.png")
    write_image(tmp_path / name / "a.png")
    with pytest.raises(
        DataError, match=rf"1 folders that are not named after a class .*'{name}'; .*{allowed}"
    ):
        load(tmp_path, **options)


def test_folders_named_by_index_need_no_synsets(tmp_path: Path) -> None:
    write_image(tmp_path / "123" / "a.png")
    assert load(tmp_path, synsets=None).labels.tolist() == [123]


def test_a_path_without_class_folders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder; pass one with a subfolder for"):
        load(tmp_path / "nowhere")
    write_image(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"is not a folder"):
        load(tmp_path / "a.png")
    with pytest.raises(
        DataError, match=r"has 1 image, but neither .*a synset such as n00000000.* CSV"
    ):
        load(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match=r"no image in a class folder; .*n00000000.*\.png"):
        load(tmp_path)
    (tmp_path / "3").mkdir()
    (tmp_path / "3" / "notes.txt").write_text("not an image")
    with pytest.raises(DataError, match=r"no image in a class folder; .*\.png"):
        load(tmp_path)


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_an_unreadable_image_is_named(folder: Path, damage: str) -> None:
    path = folder / "7" / "0.JPEG"
    raw = path.read_bytes()
    path.write_bytes({"truncated": raw[: len(raw) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(
        DataError, match=r"7/0\.JPEG cannot be read as an image .*replace or remove"
    ):
        load(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_an_image_without_permission_is_named(folder: Path) -> None:
    (folder / "7" / "0.JPEG").chmod(0)
    with pytest.raises(DataError, match=r"7/0\.JPEG cannot be read"):
        load(folder)


def test_a_split_is_disjoint_and_complete(folder: Path) -> None:
    images = load(folder)
    calibration, evaluation = split_images(images, 5, seed=1)
    assert len(calibration) == 5
    assert len(evaluation) == 7
    assert not set(calibration.paths) & set(evaluation.paths)
    assert set(calibration.paths) | set(evaluation.paths) == set(images.paths)
    position = {path: index for index, path in enumerate(images.paths)}
    for part in (calibration, evaluation):
        for path, label, stored in zip(part.paths, part.labels, part.images, strict=True):
            assert label == images.labels[position[path]]
            assert torch.equal(stored, images.images[position[path]])
    assert split_images(images, 5, seed=1)[0].paths == calibration.paths
    assert split_images(images, 5, seed=2)[0].paths != calibration.paths
    assert split_images(images, 0)[1].paths == images.paths


@pytest.mark.parametrize("count", [-1, 12, 13])
def test_a_split_must_leave_evaluation_images(folder: Path, count: int) -> None:
    with pytest.raises(DataError, match=rf"{count} calibration images out of 12: .* 0 to 11"):
        split_images(load(folder), count)


def test_a_pretrained_model_recognises_photographs(shared: Path, vit_tiny: LoadedModel) -> None:
    folder = shared / "data" / "imagenet_sample"
    images = load_images(folder, vit_tiny.data_config, synsets=vit_tiny.synsets, limit=40)
    assert len(images.labels.unique()) == 40
    with torch.inference_mode():
        found = vit_tiny.model(vit_tiny.normalise(images.images)).argmax(1)
    assert (found == images.labels).float().mean() > 0.65  # 81.4 % on all 500


def test_a_thin_image_needs_little_memory_and_keeps_its_middle(tmp_path: Path) -> None:
    """Resized as a whole, it would have 24 x 240,000 pixels."""
    colours = np.zeros((20_000, 2, 3), np.uint8)
    colours[9_900:10_100] = (10, 200, 90)  # the middle, which is all that the model sees
    (tmp_path / "0").mkdir()
    Image.fromarray(colours).save(tmp_path / "0" / "thin.png")
    tracemalloc.start()
    images = load(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert images.images[0].flatten(1).float().mean(1).tolist() == [10, 200, 90]
    assert peak < 50e6


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
@pytest.mark.parametrize("size", [(40, 30), (30, 40), (5, 80), (80, 5), (64, 4)])
def test_images_up_to_16_times_longer_than_wide_are_exact(
    tmp_path: Path, size: tuple[int, int], crop_mode: str
) -> None:
    write_image(tmp_path / "0" / "a.png", size=size)
    config = {**CONFIG, "crop_mode": crop_mode}
    transform = create_transform(**config, mean=(0.0,) * 3, std=(1.0,) * 3)
    with Image.open(tmp_path / "0" / "a.png") as raw:
        expected = transform(raw)
    torch.testing.assert_close(load_images(tmp_path, config).images[0] / 255, expected)


@pytest.mark.parametrize("crop_mode", ["center", "squash"])
def test_a_longer_image_is_as_before_up_to_rounding(tmp_path: Path, crop_mode: str) -> None:
    smooth = np.linspace(0, 255, 4 * 100).reshape(100, 4, 1).repeat(3, 2).astype(np.uint8)
    (tmp_path / "0").mkdir()
    Image.fromarray(smooth).save(tmp_path / "0" / "a.png")
    config = {**CONFIG, "crop_mode": crop_mode}
    transform = create_transform(**config, mean=(0.0,) * 3, std=(1.0,) * 3)
    with Image.open(tmp_path / "0" / "a.png") as raw:
        expected = transform(raw)
    images = load_images(tmp_path, config).images[0] / 255
    torch.testing.assert_close(images, expected, atol=0.03, rtol=0)


def test_unreadable_images_are_listed_or_left_out(folder: Path) -> None:
    damaged = [folder / "7" / "0.JPEG", folder / "011" / "3.png", folder / "011" / "4.png"]
    for path in (*damaged, folder / "011" / "5.png"):
        path.write_bytes(b"damaged")
    with pytest.raises(DataError) as refused:
        load(folder)
    assert str(refused.value).startswith("4 of 12 images cannot be read, such as ")
    reason = "it is in none of the known formats"
    assert all(f"{path} ({reason})" in str(refused.value) for path in damaged)
    assert str(refused.value).endswith("with --skip-unreadable (skip_unreadable=True).")
    images = load(folder, skip_unreadable=True)
    assert images.labels.tolist() == [3] * 4 + [7] + [11] * 3
    assert len(images) == len(images.paths) == 8
    assert images.notes[-1] == (
        "left out 4 unreadable images: 7/0.JPEG, 011/3.png, 011/4.png and 1 more"
    )
    for path, pixels in zip(images.paths, images.images, strict=True):
        with Image.open(path) as raw:
            assert torch.equal(pixels, transform_of(CONFIG)(raw.convert("RGB")))


def test_a_folder_without_any_readable_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for name in "ab":
        (tmp_path / "0" / f"{name}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"2 of 2 images cannot be read"):
        load(tmp_path, skip_unreadable=True)


def test_what_was_decided_about_images_is_counted(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    for number in range(3):
        Image.fromarray(np.full((9, 9), 0x4000, np.uint16)).save(tmp_path / "0" / f"{number}.png")
    Image.new("RGBA", (9, 9)).save(tmp_path / "0" / "3.png")
    images = load(tmp_path)
    assert images.images[0].unique().tolist() == [64]
    assert images.images[3].unique().tolist() == [255]
    assert images.notes == (
        "1 image with transparent parts, which are shown on white",
        "3 images with 16-bit greys, divided by 257",
    )
    assert split_images(images, 1)[1].notes == images.notes


def test_a_bomb_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "0" / "a.png")
    monkeypatch.setattr(decoding, "MOST_PIXELS", 1000)
    with pytest.raises(DataError, match=r"a\.png cannot be read .*30 x 40 pixels, allowed are 1,0"):
        load(tmp_path)
