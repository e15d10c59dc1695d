"""Where the JSON file and its images are, and names that lead elsewhere."""

import os
from pathlib import Path

import pytest

from maskaq.data.annotations.coco_folder import find_file, find_images
from maskaq.errors import DataError
from tests.support.pictures import write


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}")
    return path


@pytest.mark.parametrize(
    "names, chosen, rest",
    [
        (["annotations/instances_val2017.json"], 0, ""),
        (["Annotations/instances_VAL.json"], 0, ""),
        (["instances_val.json"], 0, ""),
        (["annotations/captions_val2017.json", "annotations/instances_val2017.json"], 1, ""),
        (
            ["annotations/instances_train2017.json", "annotations/instances_val2017.json"],
            1,
            "; instances_train2017.json was left out",
        ),
        (["annotations/instances_train2017.json", "info.json"], 0, ""),
        (["_annotations.coco.json"], 0, ""),
        (["annotations/boxes.json"], 0, ""),
    ],
)
def test_the_file_of_a_folder(tmp_path: Path, names: list[str], chosen: int, rest: str) -> None:
    files = [touch(tmp_path / name) for name in names]
    assert find_file(tmp_path) == (files[chosen], (f"objects are from {names[chosen]}{rest}",))
    assert find_file(files[0]) == (files[0], ())


@pytest.mark.parametrize(
    "names, message",
    [
        (
            [],
            r"has no JSON file; pass a folder that has `annotations/instances_val\*\.json` in COC",
        ),
        (["a.txt"], r"has no JSON file"),
        (["a.json", "b.json"], r"has several JSON files; pass one of them: .*a\.json, .*b\.json"),
        (["instances_val2014.json", "annotations/instances_val2017.json"], r"has several JSON fil"),
    ],
)
def test_no_file_or_several_are_refused(tmp_path: Path, names: list[str], message: str) -> None:
    for name in names:
        touch(tmp_path / name)
    with pytest.raises(DataError, match=message):
        find_file(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "a\0b"])
def test_another_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"is not a folder; pass one that has `annotations/inst"):
        find_file(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list every folder")
def test_a_folder_that_cannot_be_listed_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    with pytest.raises(DataError, match=r"cannot be listed"):
        find_file(tmp_path)
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("file", ["annotations/instances_val2017.json", "instances_val2017.json"])
@pytest.mark.parametrize("place", ["val2017", "val", "images/val2017", "images", "."])
def test_images_of_a_file(tmp_path: Path, file: str, place: str) -> None:
    images = [write(tmp_path / place / name) for name in ("b.jpg", "deep/a.png")]
    write(tmp_path / "train2017" / "b.jpg")
    found = find_images(touch(tmp_path / file), ["b.jpg", "deep/a.png"])
    assert found == (tuple(images), ())


def test_images_may_be_beside_the_file_in_annotations(tmp_path: Path) -> None:
    image = write(tmp_path / "annotations" / "a.jpg")
    assert find_images(touch(tmp_path / "annotations" / "x.json"), ["a.jpg"])[0] == (image,)


def test_the_folder_with_all_images_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "val2017" / "a.jpg")
    images = tuple(write(tmp_path / "images" / name) for name in ("a.jpg", "b.jpg"))
    assert find_images(touch(tmp_path / "x.json"), ["a.jpg", "b.jpg"]) == (images, ())


def test_images_without_an_entry_are_named(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        write(tmp_path / "images" / name)
    _, notes = find_images(touch(tmp_path / "x.json"), ["b.jpg"])
    assert notes == ("left out 2 images that x.json does not name: a.jpg, c.jpg",)


@pytest.mark.parametrize("name", ["./a.jpg", "deep//a.jpg", "deep\\a.jpg"])
def test_names_are_simplified(tmp_path: Path, name: str) -> None:
    image = write(tmp_path / "images" / name.replace("\\", "/"))
    assert find_images(touch(tmp_path / "x.json"), [name])[0] == (image,)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../a.jpg",
            "images/../../a.jpg",
            "..\\a.jpg",
            "/etc/passwd",
            "//host/a.jpg",
            "C:\\a.jpg",
        ),
        *("C:a.jpg", "\\\\host\\share\\a.jpg", "", ".", "a\0.jpg", ".."),
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.jpg")
    write(tmp_path / "images" / "b.jpg")
    with pytest.raises(DataError, match=r"x\.json has an image with the file_name '.*outside of t"):
        find_images(touch(tmp_path / "x.json"), ["b.jpg", name])


@pytest.mark.parametrize(
    "name", ["missing.jpg", "b.jpg/c.jpg", "folder", "x" * 5000, "\ud800.jpg", "\x1b[2J"]
)
def test_missing_images_are_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "images" / "b.jpg")
    (tmp_path / "images" / "folder").mkdir()
    with pytest.raises(
        DataError, match=r"images lacks 1 image of .*x\.json: .*; add them"
    ) as error:
        find_images(touch(tmp_path / "x.json"), ["b.jpg", name])
    assert str(error.value).isprintable()


def test_no_image_at_all_is_refused_with_the_places(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(
        DataError, match=r"x\.json names 2 images, such as a\.jpg, of which none is in .*images, .*"
    ):
        find_images(touch(tmp_path / "x.json"), ["a.jpg", "b.jpg"])


@pytest.mark.parametrize("other", ["a.jpg", "./a.jpg"])
def test_an_image_with_two_entries_is_refused(tmp_path: Path, other: str) -> None:
    write(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"several images with the file_name 'a\.jpg'; make one"):
        find_images(touch(tmp_path / "x.json"), ["a.jpg", other])


def test_links_are_followed_also_out_of_the_folder(tmp_path: Path) -> None:
    image = write(tmp_path / "store" / "a.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "b.jpg").symlink_to(image)
    found, _ = find_images(touch(tmp_path / "data" / "x.json"), ["b.jpg"])
    assert found == (tmp_path / "data" / "b.jpg",)
    (tmp_path / "data" / "c.jpg").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"lacks 1 image"):
        find_images(tmp_path / "data" / "x.json", ["b.jpg", "c.jpg"])
