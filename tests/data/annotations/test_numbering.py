"""Which class a number stands for: ADE20K's count from 1, and it is said."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskaq.data.annotations.numbering import VOID, Numbering, numbering_of
from maskaq.errors import DataError

NAMES = ("wall", *(f"class {number}" for number in range(1, 150)))
ADE = "the class numbers count from 1 to 150, as in ADE20K: 1 is 'wall', and 0 has no class"


def write(path: Path, *numbers: int) -> Path:
    Image.fromarray(np.array([numbers], np.uint8)).save(path)
    return path


def test_150_tells_that_the_numbers_count_from_1(tmp_path: Path) -> None:
    maps = [write(tmp_path / "a.png", 0, 1, 7), write(tmp_path / "b.png", 150)]
    numbering = numbering_of(maps, NAMES)
    assert numbering == Numbering(150, True, (ADE,))
    classes = numbering.classes_of(np.array([[0, 1, 2, 150]], np.uint8), maps[0])
    assert classes.tolist() == [[VOID, 0, 1, 149]]


def test_255_tells_that_they_do_not(tmp_path: Path) -> None:
    maps = [write(tmp_path / "ADE_1.png", 0, 7), write(tmp_path / "ADE_2.png", 255, 149)]
    numbering = numbering_of(maps, NAMES)
    assert numbering == Numbering(150)
    classes = numbering.classes_of(np.array([[0, 149, 255]], np.uint8), maps[0])
    assert classes.tolist() == [[0, 149, VOID]]


def test_without_either_the_names_of_the_files_tell(tmp_path: Path) -> None:
    maps = [write(tmp_path / f"ADE_val_{number}.png", 0, number) for number in range(1, 4)]
    assert numbering_of(maps, NAMES) == Numbering(
        150, True, (f"{ADE}; the names of the files are ADE20K's",)
    )
    found = numbering_of([*maps, write(tmp_path / "other.png", 1)], NAMES)
    assert not found.from_one
    assert "taken to count from 0, so that 0 is 'wall'" in found.notes[0]
    assert "name the files ADE_*.png" in found.notes[0]


def test_other_models_count_from_0_without_a_look_at_the_files(tmp_path: Path) -> None:
    for names in (NAMES[:149], (*NAMES, "more")):
        assert numbering_of([tmp_path / "missing.png"], names) == Numbering(len(names))


@pytest.mark.parametrize("numbers", [(151,), (255,), (0, 150, 200)])
def test_ade_numbers_go_up_to_150(numbers: tuple[int, ...]) -> None:
    values = np.array([numbers], np.uint8)
    with pytest.raises(DataError, match=r"a\.png has the class number \d+, but other .* 1 to 150"):
        Numbering(150, True).classes_of(values, Path("a.png"))


@pytest.mark.parametrize("number", [3, 4, 254])
def test_numbers_beyond_the_classes_are_refused(number: int) -> None:
    with pytest.raises(
        DataError, match=rf"a\.png has the class number {number}; allowed are 0 to "
    ):
        Numbering(3).classes_of(np.array([[0, number]], np.uint8), Path("a.png"))


def test_255_classes_are_the_most(tmp_path: Path) -> None:
    names = tuple(map(str, range(256)))
    assert numbering_of([], names[:255]).classes == 255
    with pytest.raises(DataError, match=r"at most 255 classes, but the model has 256"):
        numbering_of([], names)


def test_a_damaged_annotation_is_refused_while_looking(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"a\.png cannot be read as an annotation"):
        numbering_of([tmp_path / "a.png"], NAMES)
