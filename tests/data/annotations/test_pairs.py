"""Layouts of segmentation folders, and which image belongs to which annotation."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from maskaq.data.annotations.pairs import find_pairs
from maskaq.errors import DataError
from tests.support.pictures import write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images with annotations."""
    for name in "abc":
        write(tmp_path / "images" / f"{name}.jpg")
        write(tmp_path / "annotations" / f"{name}.png")
    return tmp_path


def names(paths: tuple[Path, ...], folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize("images", ["images", "Images"])
@pytest.mark.parametrize("maps", ["annotations", "masks", "labels", "Masks"])
def test_images_and_annotations_of_a_name_are_a_pair(
    tmp_path: Path, images: str, maps: str
) -> None:
    for name in ("b.x.jpg", "a.png", "c.JPEG"):
        write(tmp_path / images / name)
        write(tmp_path / maps / f"{Path(name).stem}.PNG")
    found = find_pairs(tmp_path)
    assert names(found.images, tmp_path / images) == ["a.png", "b.x.jpg", "c.JPEG"]
    assert names(found.maps, tmp_path / maps) == ["a.PNG", "b.x.PNG", "c.PNG"]
    assert found.notes == ()


@pytest.mark.parametrize("name", ["validation", "val", "Validation"])
def test_validation_is_read_and_the_rest_is_named(tmp_path: Path, name: str) -> None:
    for split in (name, "training", "test"):
        write(tmp_path / "images" / split / f"{split}.jpg")
    for split in (name, "training"):
        write(tmp_path / "annotations" / split / f"{split}.png")
    write(tmp_path / "images" / "overview.jpg")
    found = find_pairs(tmp_path)
    assert names(found.images, tmp_path) == [f"images/{name}/{name}.jpg"]
    assert names(found.maps, tmp_path) == [f"annotations/{name}/{name}.png"]
    assert found.notes == (
        f"images are from images/{name}; images/test, images/training were left out",
        f"left out 1 image beside images/{name}",
    )


def test_training_is_read_if_there_is_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "images" / "training" / "a.jpg")
    write(tmp_path / "annotations" / "training" / "a.png")
    assert find_pairs(tmp_path).notes == ("images are from images/training",)


def test_other_subfolders_are_part_of_the_name(tmp_path: Path) -> None:
    for place in ("one", "two"):
        write(tmp_path / "images" / place / "a.jpg")
        write(tmp_path / "labels" / place / "a.png")
    found = find_pairs(tmp_path)
    assert names(found.images, tmp_path / "images") == ["one/a.jpg", "two/a.jpg"]
    assert names(found.maps, tmp_path / "labels") == ["one/a.png", "two/a.png"]


def test_what_is_left_out_is_named(folder: Path) -> None:
    (folder / "images" / "readme.txt").write_text("text")
    (folder / "annotations" / "colours.txt").write_text("text")
    write(folder / "annotations" / "a.jpg")
    write(folder / "annotations" / ".hidden.png")
    assert find_pairs(folder).notes == (
        "1 file is not an image: 1 .txt",
        "in annotations: left out 1 hidden image (names that start with .)",
        "in annotations: 1 file is not an image: 1 .txt",
        "in annotations: left out images that are not PNG: 1 .jpg",
    )


def test_links_are_followed_also_out_of_the_folder(tmp_path: Path) -> None:
    image = write(tmp_path / "store" / "image.jpg")
    write(tmp_path / "store" / "maps" / "a.png")
    (tmp_path / "data" / "images").mkdir(parents=True)
    (tmp_path / "data" / "images" / "a.jpg").symlink_to(image)
    (tmp_path / "data" / "masks").symlink_to(tmp_path / "store" / "maps")
    found = find_pairs(tmp_path / "data")
    assert [path.name for path in (*found.images, *found.maps)] == ["a.jpg", "a.png"]


def test_links_to_what_was_read_are_left_out(folder: Path) -> None:
    (folder / "images" / "loop").symlink_to("..")
    (folder / "annotations" / "loop").symlink_to(".")
    found = find_pairs(folder)
    assert len(found.images) == 3
    assert found.notes == (
        "left out 1 link to images or folders that were already read",
        "in annotations: left out 1 link to images or folders that were already read",
    )


def no_annotation(folder: Path) -> None:
    (folder / "annotations" / "b.png").unlink()


def jpeg_annotation(folder: Path) -> None:
    (folder / "annotations" / "b.png").rename(folder / "annotations" / "b.jpg")


def no_image(folder: Path) -> None:
    (folder / "images" / "b.jpg").unlink()


def two_images(folder: Path) -> None:
    write(folder / "images" / "b.png")


def linked_annotation(folder: Path) -> None:
    no_annotation(folder)
    (folder / "annotations" / "b.png").symlink_to("a.png")


def empty(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.rmtree(folder / name)
        (folder / name).mkdir()

    return change


def split_without_annotations(folder: Path) -> None:
    write(folder / "images" / "validation" / "a.jpg")
    write(folder / "annotations" / "training" / "a.png")


def two_kinds(folder: Path) -> None:
    (folder / "masks").mkdir()


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: shutil.rmtree(folder / name)


def deeper(folder: Path) -> None:
    for name in ("images", "annotations"):
        (folder / name).rename(folder.parent / name)
        (folder / "inner").mkdir(exist_ok=True)
        (folder.parent / name).rename(folder / "inner" / name)


@pytest.mark.parametrize(
    "change, message",
    [
        (no_annotation, r"1 image of .*images without annotation: b; put a PNG .*/annotations, or"),
        (jpeg_annotation, r"without annotation: b; .*Found: .*that are not PNG: 1 \.jpg"),
        (linked_annotation, r"without annotation: b; .*Found: .*left out 1 link"),
        (no_image, r"1 annotation of .*annotations without image: b; put an image .*/images, or"),
        (two_images, r"b\.\w+ and b\.\w+ have the same name without the ending"),
        (empty("images"), r"images has no image; supported formats: .*\.png"),
        (empty("annotations"), r"annotations has no annotation; put a PNG"),
        (split_without_annotations, r"validation has no annotations: .* not have the folder valid"),
        (two_kinds, r"has the folders images, annotations, masks; keep one for images"),
        (
            without("annotations"),
            r"does not have a folder `images`, and .*; it has the folders ima",
        ),
        (without("images"), r"does not have a folder `images`, and .*; it has the folders annotat"),
        (deeper, r"does not have .* it has the folders inner\. Pass .*/inner\."),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    folder = tmp_path / "data"
    for name in "abc":
        write(folder / "images" / f"{name}.jpg")
        write(folder / "annotations" / f"{name}.png")
    change(folder)
    with pytest.raises(DataError, match=message):
        find_pairs(folder)


def test_the_folder_above_is_proposed(folder: Path) -> None:
    with pytest.raises(DataError, match=rf"it has no folders\. Pass {folder}\."):
        find_pairs(folder / "images")


@pytest.mark.parametrize("name", ["nowhere", "images/a.jpg", "a\0b"])
def test_another_path_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"is not a folder; pass one that has a folder `images`"):
        find_pairs(folder / name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"does not have a folder `images`.*; it has no folders\."):
        find_pairs(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list every folder")
def test_a_folder_that_cannot_be_listed_is_refused(folder: Path) -> None:
    folder.chmod(0)
    with pytest.raises(DataError, match=r"cannot be listed"):
        find_pairs(folder)
    folder.chmod(0o700)
