"""Class folders as people have them: what is read, what is left out, and that it is said."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskaq.data.classes import Classes
from maskaq.data.decoding import endings
from maskaq.data.folder import list_images, load_images
from maskaq.errors import DataError
from tests.support.pictures import CONFIG, write

TEN = Classes(10)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Classes 0 to 2 with two images each."""
    for label in range(3):
        for number in range(2):
            write(tmp_path / "images" / str(label) / f"{number}.png", 40 * label)
    return tmp_path / "images"


def test_nothing_is_said_of_a_plain_folder(folder: Path) -> None:
    listing = list_images(folder, TEN)
    assert [item.label for item in listing.items] == [0, 0, 1, 1, 2, 2]
    assert listing.notes == ()


@pytest.mark.parametrize(
    "name", [".ipynb_checkpoints", "__MACOSX", "@eaDir", ".git", "thumbnails", "Thumbs", ".a/b"]
)
@pytest.mark.parametrize("place", [".", "1", "1/deeper"])
def test_hidden_and_made_folders_are_left_out_and_counted(
    folder: Path, name: str, place: str
) -> None:
    write(folder / place / name / "a.png")
    write(folder / place / name / "b" / "c.jpg")
    (folder / place / name / "d.txt").write_text("")
    listing = list_images(folder, TEN)
    assert len(listing.items) == 6
    shown = name.partition("/")[0]
    assert listing.notes == (
        f"left out 2 images in hidden folders and folders that programs make ({shown})",
    )


def test_a_class_may_have_the_name_of_a_made_folder(folder: Path) -> None:
    write(folder / "thumbs" / "a.png")
    listing = list_images(folder, Classes(4, ("a", "b", "c", "Thumbs")))
    assert (listing.items[-1].label, listing.notes) == (3, ())


def test_hidden_images_are_counted_and_system_files_are_not(folder: Path) -> None:
    for name in ("._0.png", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "1" / name).write_bytes(b"x")
    assert list_images(folder, TEN).notes == ("left out 1 hidden image (names that start with .)",)


def test_other_files_are_counted_by_ending(folder: Path) -> None:
    for name in ("a.txt", "b.TXT", "c.mp4", "d.heic", "README"):
        (folder / "1" / name).write_bytes(b"something else")
    (folder / "labels.csv").write_text("a,b\n")
    assert list_images(folder, TEN).notes == (
        "6 files are not images: 1 .csv, 1 .heic, 1 .mp4, 2 .txt, 1 without ending",
    )


def test_images_beside_the_class_folders_are_counted(folder: Path) -> None:
    write(folder / "overview.png")
    assert list_images(folder, TEN).notes == ("left out 1 image beside the class folders",)


@pytest.mark.parametrize("ending", sorted({".webp", ".bmp", ".tif", ".gif", ".ppm", ".jfif"}))
def test_every_format_is_read(folder: Path, ending: str) -> None:
    assert ending in endings()
    write(folder / "1" / f"other{ending.upper()}")
    assert len(list_images(folder, TEN).items) == 7
    assert len(load_images(folder, CONFIG, classes=10)) == 7


@pytest.mark.parametrize("name", ["photo", "photo.txt", "photo.123", "photo.heic"])
def test_an_image_is_recognised_without_its_ending(folder: Path, name: str) -> None:
    shutil.copy(folder / "1" / "0.png", folder / "1" / name)
    listing = list_images(folder, TEN)
    assert len(listing.items) == 7
    ending = Path(name).suffix or "without ending"
    assert listing.notes == (f"read 1 image with another ending: 1 {ending}",)
    assert len(load_images(folder, CONFIG, classes=10)) == 7


def test_images_in_subfolders_are_read_and_named(folder: Path) -> None:
    write(folder / "1" / "more" / "a.png")
    listing = list_images(folder, TEN)
    assert len(listing.items) == 7
    assert listing.notes == ("read 1 image in subfolders of class folders, too",)


def test_empty_class_folders_are_named(folder: Path) -> None:
    (folder / "5").mkdir()
    (folder / "annotations").mkdir()
    assert list_images(folder, TEN).notes == ("2 folders without images: 5, annotations",)


def test_links_to_folders_are_followed_once(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.png")
    write(tmp_path / "store" / "b.png")
    (folder / "1" / "linked").symlink_to(tmp_path / "store")
    (folder / "1" / "again").symlink_to(tmp_path / "store")
    (folder / "1" / "c.png").symlink_to(tmp_path / "store" / "a.png")
    listing = list_images(folder, TEN)
    assert sum(item.label == 1 for item in listing.items) == 4
    assert "left out 2 links to images or folders that were already read" in listing.notes


def test_names_of_files_cannot_control_a_terminal(folder: Path) -> None:
    (folder / "1" / "\x1b[2J\n.png").symlink_to("nowhere")
    (folder / "1" / os.fsdecode(b"\xff.t\x07")).write_bytes(b"")
    assert list_images(folder, TEN).notes == (
        "1 file is not an image: 1 .t?",
        "left out 1 broken link: ?[2J?.png",
    )


@pytest.mark.parametrize("target", [".", "..", "../..", "../1", "loop"])
def test_circles_of_links_end(folder: Path, target: str) -> None:
    (folder / "1" / "loop").symlink_to(target)
    listing = list_images(folder, TEN)
    assert len(listing.items) == 6
    assert any("link" in note for note in listing.notes), listing.notes


def test_a_linked_class_folder_is_read(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "store" / "a.png")
    (folder / "7").symlink_to(tmp_path / "store")
    listing = list_images(folder, TEN)
    assert (listing.items[-1].label, listing.notes) == (7, ())


@pytest.mark.parametrize("target", [".", "..", "/"])
def test_a_class_folder_that_links_around_itself_is_not_read(folder: Path, target: str) -> None:
    (folder / "7").symlink_to(target)
    listing = list_images(folder, TEN)
    assert len(listing.items) == 6
    assert "left out 1 link to images or folders that were already read" in listing.notes


@pytest.mark.skipif(os.geteuid() == 0, reason="root can list every folder")
def test_folders_that_cannot_be_listed_are_counted(folder: Path) -> None:
    (folder / "1" / "closed").mkdir(mode=0)
    assert list_images(folder, TEN).notes == ("left out 1 unreadable folder: closed",)


def test_two_folders_of_one_class_count_a_file_once(folder: Path) -> None:
    (folder / "01").symlink_to(folder / "1")
    listing = list_images(folder, TEN)
    assert len(listing.items) == 6
    assert listing.notes == ("left out 2 links to images or folders that were already read",)


def test_an_image_in_several_classes_is_named(folder: Path) -> None:
    (folder / "2" / "same.png").symlink_to(folder / "1" / "0.png")
    listing = list_images(folder, TEN)
    assert len(listing.items) == 7
    assert listing.notes == ("1 image in more than one class: 0.png",)


def test_broken_links_and_pipes_are_counted(folder: Path) -> None:
    (folder / "1" / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "1" / "pipe.png")
    assert list_images(folder, TEN).notes == (
        "left out 1 broken link: gone.png",
        "left out 1 special file: pipe.png",
    )


@pytest.mark.parametrize("name", ["{}", "{:03}"])
def test_folders_that_may_count_from_1_are_named(tmp_path: Path, name: str) -> None:
    for label in range(1, 10):
        write(tmp_path / name.format(label) / "a.png")
    listing = list_images(tmp_path, TEN)
    assert [item.label for item in listing.items] == list(range(1, 10))
    assert listing.notes == (
        "class 0 has no images; if the labels count from 1, rename them or pass --class-names "
        "FILE with one of them a line",
    )
    write(tmp_path / name.format(10) / "a.png")
    with pytest.raises(DataError, match=r"count from 1, rename them to 0 to 9, or pass --class-n"):
        list_images(tmp_path, TEN)
    names = tuple(name.format(label) for label in range(1, 11))
    listing = list_images(tmp_path, Classes(10, names))
    assert ([item.label for item in listing.items], listing.notes) == (list(range(10)), ())


def test_other_gaps_are_not_named(tmp_path: Path) -> None:
    for label in (3, 7):
        write(tmp_path / str(label) / "a.png")
    assert list_images(tmp_path, TEN).notes == ()


WORDS = st.from_regex(r"[a-z]{1,6}([ _-][a-z]{1,6})?", fullmatch=True).filter(
    lambda name: Classes(2, (name, "0")).find(name) == 0
)


@settings(deadline=None, max_examples=30)
@given(
    names=st.lists(WORDS, min_size=2, max_size=4, unique_by=lambda name: name.replace("_", " ")),
    style=st.sampled_from([str, str.upper, str.title, lambda name: name.replace(" ", "_")]),
)
def test_folders_are_found_by_class_name(tmp_path_factory, names, style) -> None:
    names = [name.replace("-", " ") for name in names]
    if len({name.replace("_", " ") for name in names}) < len(names):
        return
    root = tmp_path_factory.mktemp("named")
    for name in names:
        write(root / style(name) / "a.png")
    listing = list_images(root, Classes(len(names), tuple(names)))
    found = {item.path.parent.name: item.label for item in listing.items}
    assert found == {style(name): index for index, name in enumerate(names)}
