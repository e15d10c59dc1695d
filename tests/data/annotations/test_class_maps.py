"""Annotations of pixels: exact truth of whole images, and what is refused."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from maskaq.data import decoding
from maskaq.data.annotations import load_annotated, png_numbers
from maskaq.data.annotations.class_maps import nearest
from maskaq.data.annotations.numbering import VOID
from maskaq.data.folder import Images, load_images, split_images
from maskaq.errors import DataError, OptionError
from maskaq.tasks import segmentation

CONFIG = {
    "input_size": (3, 8, 12),
    "interpolation": "bilinear",
    "crop_pct": 0.5,
    "crop_mode": "center",
}
NAMES = ("wall", "building", "sky", "floor")


def write_image(path: Path, size: tuple[int, int] = (24, 16), seed: int = 0, **options) -> Path:
    """A random image of this width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


def write_map(path: Path, numbers: object, size: tuple[int, int] = (24, 16)) -> Path:
    """Class numbers of pixels, repeated to this width and height."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    Image.fromarray(np.resize(np.array(numbers, np.uint8), (height, width))).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images with annotations of random classes and 255."""
    for number in range(3):
        write_image(tmp_path / "images" / f"{number}.jpg", seed=number)
        numbers = np.random.default_rng(number).choice([0, 1, 2, 3, 255], (16, 24))
        write_map(tmp_path / "annotations" / f"{number}.png", numbers)
    return tmp_path


def load(folder: Path, names: tuple[str, ...] = NAMES, **options: object) -> Images:
    return load_annotated("segmentation", folder, CONFIG, names, **options)


def test_whole_images_and_their_truth_are_resized_alike(folder: Path) -> None:
    found = load(folder)
    assert (found.images.shape, found.images.dtype) == ((3, 3, 8, 12), torch.uint8)
    assert (found.labels.shape, found.labels.dtype) == ((3, 8, 12), torch.int64)
    for path, pixels, truth in zip(found.paths, found.images, found.labels, strict=True):
        with Image.open(path) as raw:
            picture = np.array(raw.resize((12, 8), Image.Resampling.BILINEAR))
        assert torch.equal(pixels, torch.from_numpy(picture).movedim(-1, 0))
        with Image.open(folder / "annotations" / f"{path.stem}.png") as raw:
            numbers = np.array(raw.resize((12, 8), Image.Resampling.NEAREST))
        assert truth.tolist() == numbers.tolist()
    assert set(found.labels.unique().tolist()) == {0, 1, 2, 3, VOID}
    assert found.notes == ()


def test_the_void_class_is_that_of_the_task() -> None:
    assert VOID == segmentation.VOID


@pytest.mark.parametrize("old", [(1, 1), (3, 5), (16, 24), (17, 100)])
@pytest.mark.parametrize("new", [(1, 1), (8, 12), (64, 7)])
def test_the_nearest_pixel_is_that_of_pillow(old: tuple[int, int], new: tuple[int, int]) -> None:
    values = np.random.default_rng(0).integers(0, 256, old, np.uint8)
    expected = Image.fromarray(values).resize(new[::-1], Image.Resampling.NEAREST)
    assert nearest(values, *new).tolist() == np.array(expected).tolist()


def write_palette(path: Path, numbers: np.ndarray, bits: int = 8) -> None:
    """A PNG with random colours for the class numbers [H,W]."""
    height, width = numbers.shape
    picture = Image.frombytes("P", (width, height), numbers.astype(np.uint8).tobytes())
    picture.putpalette(np.random.default_rng(1).integers(0, 256, 3 * 2**bits).tolist())
    picture.save(path, bits=bits)
    assert path.read_bytes()[24:26] == bytes([bits, 3])


def test_a_palette_has_class_numbers_and_not_colours(folder: Path) -> None:
    plain = load(folder).labels
    for path in (folder / "annotations").iterdir():
        with Image.open(path) as grey:
            numbers = np.array(grey)
        write_palette(path, numbers)
    assert torch.equal(load(folder).labels, plain)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_palette_may_have_fewer_bits(folder: Path, bits: int) -> None:
    numbers = np.random.default_rng(0).integers(0, min(2**bits, 4), (16, 24))
    for path in (folder / "annotations").iterdir():
        write_palette(path, numbers, bits)
    expected = nearest(numbers.astype(np.uint8), 8, 12)
    assert load(folder).labels.tolist() == [expected.tolist()] * 3


def test_a_limit_selects_as_the_class_folders_do(folder: Path, tmp_path: Path) -> None:
    for number in range(3, 9):
        write_image(tmp_path / "images" / f"{number}.jpg", seed=number)
        write_map(tmp_path / "annotations" / f"{number}.png", [number % 4])
    (tmp_path / "classes").mkdir()
    (tmp_path / "classes" / "0").symlink_to(tmp_path / "images")
    some = load(folder, limit=4, seed=5)
    expected = load_images(tmp_path / "classes", CONFIG, limit=4, seed=5)
    assert [path.name for path in some.paths] == [path.name for path in expected.paths]
    assert set(load(folder, limit=2, seed=5).paths) < set(some.paths)
    assert load(folder, limit=4, seed=6).paths != some.paths
    assert load(folder, limit=99).paths != load(folder).paths
    whole = load(folder)
    for path, pixels, truth in zip(some.paths, some.images, some.labels, strict=True):
        position = whole.paths.index(path)
        assert torch.equal(pixels, whole.images[position])
        assert torch.equal(truth, whole.labels[position])


def test_a_split_keeps_images_and_truth_together(folder: Path) -> None:
    whole = load(folder)
    held_out, rest = split_images(whole, 1, seed=2)
    assert (len(held_out), len(rest)) == (1, 2)
    for part in (held_out, rest):
        for path, truth in zip(part.paths, part.labels, strict=True):
            assert torch.equal(truth, whole.labels[whole.paths.index(path)])


def test_unreadable_images_are_refused_or_left_out_with_their_truth(folder: Path) -> None:
    whole = load(folder)
    damaged = folder / "images" / "1.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(DataError, match=r"images/1\.jpg cannot be read as an image .*--skip-unr"):
        load(folder)
    found = load(folder, skip_unreadable=True)
    assert [path.name for path in found.paths] == ["0.jpg", "2.jpg"]
    assert torch.equal(found.labels, whole.labels[[0, 2]])
    assert found.notes == ("left out 1 unreadable image: images/1.jpg",)


def colour_coded(path: Path) -> None:
    write_image(path)


def sixteen_bits(path: Path) -> None:
    Image.fromarray(np.ones((16, 24), np.uint16)).save(path)


def with_alpha(path: Path) -> None:
    Image.new("LA", (24, 16)).save(path)


def one_bit(path: Path) -> None:
    Image.new("1", (24, 16)).save(path)


def four_bits(path: Path) -> None:
    """Greys of 4 bits, which Pillow reads, multiplied by 17, but does not write."""
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", 24, 16, 4, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress((b"\0" + b"\x12" * 12) * 16)),
        (b"IEND", b""),
    )
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + body))
        data += struct.pack(">I", len(body)) + kind + body + checksum
    path.write_bytes(data)
    with Image.open(path) as picture:
        assert np.unique(np.array(picture)).tolist() == [17, 34]


def truncated(path: Path) -> None:
    whole = np.random.default_rng(0).integers(0, 4, (16, 24))
    data = write_map(path, whole).read_bytes()
    path.write_bytes(data[: len(data) - 40])


def damaged(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[40:60] = b"\xff" * 20
    path.write_bytes(data)


def damaged_header(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[16:20] = bytes(4)  # the width
    path.write_bytes(data)


def animated(path: Path) -> None:
    frames = [Image.new("L", (24, 16), number) for number in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def jpeg(path: Path) -> None:
    Image.new("L", (24, 16)).save(path, "JPEG")


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    "spoil, reason",
    [
        (colour_coded, r"is colour-coded \(RGB\), but an annotation must hold class numbers: save"),
        (sixteen_bits, r"has 16 bits per pixel, but class numbers must have 8; save it with 8 bit"),
        (with_alpha, r"has transparent parts; save it with one channel of 8 bits"),
        (one_bit, r"has greys of 1 bit, whose class numbers are ambiguous; save it with 8 bits"),
        (four_bits, r"has greys of 4 bits, whose class numbers are ambiguous; save it with 8"),
        (truncated, r"cannot be read as an annotation \(.*truncated.*\); replace it"),
        (damaged, r"cannot be read as an annotation \(.*\); replace it"),
        (damaged_header, r"cannot be read as an annotation \(.*\); replace it"),
        (animated, r"cannot be read as an annotation \(it has several frames\); replace it"),
        (jpeg, r"cannot be read as an annotation \(it is not a PNG file\); replace it"),
        (lambda path: path.write_bytes(b""), r"\(it is not a PNG file\); replace it"),
        (lambda path: write_map(path, [4]), r"the class number 4; .* 0 to 3 .* subtract 1 from t"),
        (lambda path: write_map(path, [9, 0, 7]), r"numbers 7, 9; .* 0 to 3 for the classes of"),
        (
            lambda path: write_map(path, [0], (24, 17)),
            r"has 24 x 17 pixels, but its image .*24 x 1",
        ),
        (lambda path: write_map(path, [0], (16, 24)), r"16 x 24 pixels, .*save both with the same"),
    ],
)
def test_wrong_annotations_are_always_refused(
    folder: Path, spoil: Callable[[Path], object], reason: str, skip: bool
) -> None:
    spoil(folder / "annotations" / "1.png")
    with pytest.raises(DataError, match=rf"annotations/1\.png .*{reason}"):
        load(folder, skip_unreadable=skip)


def test_a_wrong_number_in_one_pixel_is_seen_before_resizing(folder: Path) -> None:
    numbers = np.zeros((16, 24), np.uint8)
    numbers[0, 0] = 200
    assert 200 not in nearest(numbers, 8, 12)
    write_map(folder / "annotations" / "1.png", numbers)
    with pytest.raises(DataError, match=r"1\.png has the class number 200"):
        load(folder)


def test_a_bomb_is_refused_with_its_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_numbers, "MOST_PIXELS", 100)
    with pytest.raises(DataError, match=r"0\.png cannot .*24 x 16 pixels, allowed are 100"):
        load(folder)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 100)
    with pytest.raises(DataError, match=r"images cannot be read.*24 x 16 pixels, allowed are 100"):
        load(folder)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_very_long_image_is_refused(folder: Path, ending: str) -> None:
    write_image(folder / "images" / f"9.{ending}", (1, 17))
    write_map(folder / "annotations" / "9.png", [0], (1, 17))
    with pytest.raises(DataError, match=rf"9\.{ending} has 1 x 17 pixels: .*16 times longer than"):
        load(folder)
    write_image(folder / "images" / f"9.{ending}", (1, 16))
    write_map(folder / "annotations" / "9.png", [0], (1, 16))
    assert len(load(folder)) == 4


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = orientation
    return data


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_annotations_of_turned_images_are_of_the_upright_ones(folder: Path, ending: str) -> None:
    (folder / "images" / "1.jpg").unlink()
    write_image(folder / "images" / f"1.{ending}", (24, 16), exif=exif(6))
    with pytest.raises(
        DataError, match=r"1\.png has 24 x 16 pixels, but .* has 16 x 24; the EXIF .*turn the anno"
    ):
        load(folder)
    write_map(folder / "annotations" / "1.png", [3], (16, 24))
    found = load(folder)
    assert found.labels[1].unique().tolist() == [3]
    assert found.notes[-1] == (
        "the annotations of images that were turned are taken to be of upright ones"
    )


def test_damaged_exif_data_do_not_matter(folder: Path) -> None:
    whole = load(folder)
    write_image(folder / "images" / "1.jpg", seed=1, exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    found = load(folder)
    assert torch.equal(found.images, whole.images)
    assert (found.paths, found.notes) == (whole.paths, ())


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_turns_nothing(folder: Path, orientation: int) -> None:
    whole = load(folder)
    write_image(folder / "images" / "1.jpg", seed=1, exif=exif(orientation))
    found = load(folder)
    assert torch.equal(found.images, whole.images)
    assert torch.equal(found.labels, whole.labels)
    assert found.notes == ()


def test_masks_of_0_and_255_are_pointed_out(folder: Path) -> None:
    for path in (folder / "annotations").iterdir():
        write_map(path, [0, 0, 0, 255, 255, 255])
    assert load(folder).notes == (
        "all pixels are of class 0 or have no class (255); if 255 stands for a class, save the "
        "annotations with its number instead",
    )
    for path in (folder / "annotations").iterdir():
        write_map(path, [255])
    assert load(folder).notes == ("no pixel of the images that were read has a class",)


@pytest.mark.parametrize("task", ["classification", "segmentatoin", ""])
def test_another_task_is_refused(folder: Path, task: str) -> None:
    with pytest.raises(OptionError, match=rf"unknown task .*'{task}'; .*detection, segmentation"):
        load_annotated(task, folder, CONFIG, NAMES)


def test_a_model_without_class_names_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no class names; pass them with --class-names FILE"):
        load(folder, ())
