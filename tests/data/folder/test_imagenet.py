"""ImageNet's flat validation set: labels in the order of the development kit, never guessed."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from maskaq.data.classes import Classes
from maskaq.data.folder import list_images
from maskaq.errors import DataError
from tests.support.pictures import write

SYNSETS = tuple(f"n{number:08}" for number in range(4))
CLASSES = Classes(4, tuple("abcd"), SYNSETS)
ORDER = {1: SYNSETS[2], 2: SYNSETS[0], 3: SYNSETS[3], 4: SYNSETS[1]}  # of the kit
NUMBERS = [4, 1, 1, 3, 2]
WANTED = [1, 2, 2, 3, 0]
TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five images, and the ground truth as numbers."""
    for number in range(1, 6):
        write(tmp_path / f"ILSVRC2012_val_{number:08}.JPEG")
    (tmp_path / TRUTH).write_text("\n".join(map(str, NUMBERS)) + "\n")
    return tmp_path


def labels(folder: Path) -> list[int]:
    items = sorted(list_images(folder, CLASSES).items, key=lambda item: item.path)
    return [item.label for item in items]


def write_kit(path: Path, order: dict[int, str]) -> None:
    kinds = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)]
    rows = np.array([(number, synset, "words") for number, synset in order.items()], kinds)
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"synsets": rows.reshape(-1, 1)})


@pytest.mark.parametrize("place", [".", "ILSVRC2012_devkit_t12/data"])
def test_the_kit_gives_the_order(folder: Path, place: str) -> None:
    write_kit(folder / place / "meta.mat", ORDER)
    assert labels(folder) == WANTED
    assert list_images(folder, CLASSES).notes == (f"labels are from {TRUTH} and meta.mat",)


@pytest.mark.parametrize(
    "line", ["{synset} {number} name", "{number}\t{synset}", "{number},{synset}"]
)
def test_a_list_of_numbers_and_synsets_gives_the_order(folder: Path, line: str) -> None:
    rows = [line.format(number=number, synset=synset) for number, synset in ORDER.items()]
    (folder / "map.txt").write_text("\n".join(rows))
    assert labels(folder) == WANTED


def test_numbers_alone_are_not_guessed(folder: Path) -> None:
    (folder / "synsets.txt").write_text("\n".join(SYNSETS))  # in which order?
    with pytest.raises(
        DataError, match=r"They count from 1, .* not that of the model: copy .*meta"
    ):
        labels(folder)
    (folder / TRUTH).write_text("\n".join(str(number - 1) for number in NUMBERS))
    with pytest.raises(DataError, match=r"They count from 0, in an order that the file does not"):
        labels(folder)


def test_synsets_need_no_kit(folder: Path) -> None:
    (folder / TRUTH).write_text("\n".join(ORDER[number] for number in NUMBERS))
    assert labels(folder) == WANTED


def test_some_of_the_images_keep_their_own_labels(folder: Path) -> None:
    write_kit(folder / "meta.mat", ORDER)
    for number in (1, 3):
        (folder / f"ILSVRC2012_val_{number:08}.JPEG").unlink()
    write(folder / "other.png")
    assert labels(folder) == [WANTED[1], WANTED[3], WANTED[4]]
    assert list_images(folder, CLASSES).notes[1] == (
        "left out 1 image whose names have no number: other.png"
    )


@pytest.mark.parametrize(
    "truth, order, message",
    [
        ("1\n2", ORDER, "has 2 labels, but there is an image 5"),
        ("1\n2\n3\n4\n9", ORDER, r"has the label 9, which .*meta\.mat does not have"),
        ("1\n2\nx\n4\n1", ORDER, "one number or synset a line"),
        ("1\n2\n3\n4\n4", ORDER | {4: "n99999999"}, "is of the class n99999999, which the model l"),
        ("", ORDER, "has 0 labels"),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, truth: str, order: dict[int, str], message: str
) -> None:
    write_kit(folder / "meta.mat", order)
    (folder / TRUTH).write_text(truth)
    with pytest.raises(DataError, match=message):
        labels(folder)


def test_a_damaged_kit_is_refused(folder: Path) -> None:
    for damage in (b"", b"damaged", b"MATLAB 5.0" + bytes(200)):
        (folder / "meta.mat").write_bytes(damage)
        with pytest.raises(DataError, match=r"meta\.mat cannot be read as the kit's table"):
            labels(folder)
    savemat(folder / "meta.mat", {"other": 1})
    with pytest.raises(DataError, match=r"meta\.mat cannot be read as the kit's table"):
        labels(folder)


def test_a_kit_that_would_fill_the_memory_is_refused(folder: Path) -> None:
    element = zlib.compress(bytes(100 << 20), 9)
    header = b"MATLAB 5.0".ljust(124) + b"\x00\x01IM"
    (folder / "meta.mat").write_bytes(header + struct.pack("<II", 15, len(element)) + element)
    with pytest.raises(DataError, match=r"it has more than 64 MB uncompressed"):
        labels(folder)


@pytest.mark.parametrize("ending", ["", ".JPEG"])
def test_the_solution_of_the_challenge_is_a_table(folder: Path, ending: str) -> None:
    (folder / TRUTH).unlink()
    rows = [
        f"ILSVRC2012_val_{number:08}{ending},{ORDER[truth]} 1 2 3 4 {ORDER[truth]} 5 6 7 8 "
        for number, truth in enumerate(NUMBERS, 1)
    ]
    (folder / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    assert labels(folder) == WANTED
