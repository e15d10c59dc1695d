"""Folders without labels are refused with the path or the file that is missing."""

from pathlib import Path

import pytest

from maskaq.data.classes import Classes
from maskaq.data.folder import count_images, list_images
from maskaq.errors import DataError
from tests.support.pictures import write

TEN = Classes(10)


@pytest.mark.parametrize(
    "splits, first",
    [
        (["train", "val"], "val"),
        (["train", "test"], "test"),
        (["Train", "Validation", "Test"], "Validation"),
        (["training", "valid"], "valid"),
        (["train"], "train"),
    ],
)
def test_the_split_to_pass_is_named(tmp_path: Path, splits: list[str], first: str) -> None:
    for split in splits:
        write(tmp_path / split / "3" / "a.png")
    with pytest.raises(DataError) as refused:
        list_images(tmp_path, TEN)
    assert str(refused.value).endswith(f"not for each class; pass one of them: {tmp_path / first}.")
    assert len(list_images(tmp_path / first, TEN).items) == 1


def test_a_class_may_have_the_name_of_a_split(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.png")
    write(tmp_path / "bus" / "a.png")
    listing = list_images(tmp_path, Classes(2, ("bus", "train")))
    assert [item.label for item in listing.items] == [0, 1]


@pytest.mark.parametrize(
    "inner, passed",
    [
        ("images/{}", "images"),
        ("a/b/c/{}", "a/b/c"),
        ("data/val/{}", "data/val"),
        ("data/imagenet/train/{}", "data/imagenet/train"),
    ],
)
def test_an_extra_level_is_named(tmp_path: Path, inner: str, passed: str) -> None:
    for label in range(3):
        write(tmp_path / inner.format(label) / "a.png")
    with pytest.raises(DataError, match=rf"has only the folder .*; pass {tmp_path / passed}\.$"):
        list_images(tmp_path, TEN)
    assert len(list_images(tmp_path / passed, TEN).items) == 3


def test_an_extra_level_with_a_link_to_itself_is_named(tmp_path: Path) -> None:
    write(tmp_path / "images" / "cat" / "a.png")
    (tmp_path / "images" / "loop").symlink_to(".")
    with pytest.raises(DataError, match=rf"pass {tmp_path / 'images'}\."):
        list_images(tmp_path, TEN)


@pytest.mark.parametrize(
    "folders, names, hint",
    [
        (["cats", "dog"], ("cat", "dog", "cow"), "Did you mean 'cat'"),
        (["crane", "dog"], ("crane, bird", "dog", "crane, lifting"), "'crane' is the name of sev"),
        (["unknown"], (), "pass --class-names FILE with one name a line"),
        (["Cat", "dog"], ("cat", "CAT", "dog"), "'Cat' is the name of several classes"),
    ],
)
def test_unknown_folders_are_refused_with_a_hint(
    tmp_path: Path, folders: list[str], names: tuple[str, ...], hint: str
) -> None:
    for folder in folders:
        write(tmp_path / folder / "a.png")
    with pytest.raises(DataError, match=hint):
        list_images(tmp_path, Classes(3, names))


def test_images_that_were_left_out_are_named_if_none_is_left(tmp_path: Path) -> None:
    write(tmp_path / "3" / ".hidden" / "a.png")
    (tmp_path / "3" / "a.heic").write_bytes(b"?")
    with pytest.raises(DataError, match=r"Found: left out 1 image in hidden .*; 1 file is not an"):
        list_images(tmp_path, TEN)


def test_images_are_counted_without_their_labels(tmp_path: Path) -> None:
    for path in ("0/a.png", "0/b/c.webp", "x/d.tif", ".hidden/e.png"):
        write(tmp_path / path)
    assert count_images(tmp_path) == 3
    (tmp_path / "x.csv").write_text("file,label\nd.tif,0")
    assert count_images(tmp_path / "x.csv") == 3
