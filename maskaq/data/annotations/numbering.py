"""Which class a number in an annotation stands for.

Numbers are indices of classes from 0, and 255 marks pixels without a class. ADE20K (Zhou et al.
2017) has 150 classes with the numbers 1 to 150, and 0 for pixels of no class.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from maskaq.data.annotations.png_numbers import read_numbers
from maskaq.data.decoding import without_warnings
from maskaq.errors import DataError, some

VOID = 255  # class of pixels without truth, as in `maskaq.tasks.segmentation`
_ADE_CLASSES = 150
_ADE_NAME = "ADE_"  # as in ADE_val_00000001.jpg


class Numbering(NamedTuple):
    """How the numbers of a folder count.

    classes: of the model. from_one: whether class k has the number k + 1, and 0 stands for no
    class. notes: what was decided.
    """

    classes: int
    from_one: bool = False
    notes: tuple[str, ...] = ()

    def classes_of(self, numbers: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """The class of each pixel, or `VOID`: uint8 [H,W] -> uint8 [H,W].

        Raises:
            DataError: a number beyond the classes of the model.

        >>> Numbering(150, from_one=True).classes_of(np.array([[0, 1, 150]], np.uint8), Path("a"))
        array([[255,   0, 149]], dtype=uint8)
        """
        table = np.full(256, VOID, np.uint8)  # class by number
        allowed = np.zeros(256, bool)
        first = int(self.from_one)
        table[first : first + self.classes] = np.arange(self.classes)
        allowed[first : first + self.classes] = True
        allowed[0 if self.from_one else VOID] = True
        present = used(numbers)
        if not allowed[present].all():
            wrong = [int(number) for number in present[~allowed[present]]]
            raise DataError(f"{path} has {self._refusal(wrong)}")
        return table[numbers]  # [H,W]

    def _refusal(self, wrong: list[int]) -> str:
        numbers = f"the class number{'s' * (len(wrong) > 1)} {some(wrong)}"
        if self.from_one:
            return (
                f"{numbers}, but other annotations count from 1 to {self.classes}, with 0 for "
                "pixels of no class; number all annotations in the same way."
            )
        advice = "pass annotations with the classes of the model"
        if wrong == [self.classes]:
            advice = "if the numbers count from 1, subtract 1 from them"
        return (
            f"{numbers}; allowed are 0 to {self.classes - 1} for the classes of the model, and "
            f"{VOID} for pixels of no class: {advice}."
        )


def used(numbers: NDArray[np.uint8]) -> NDArray[np.intp]:
    """The numbers that occur in an annotation, in order: uint8 [H,W] -> [n]."""
    return np.flatnonzero(np.bincount(numbers.ravel(), minlength=256))


def numbering_of(maps: Sequence[Path], class_names: Sequence[str]) -> Numbering:
    """How the annotations of a folder count, from the first that tells.

    Of 150 classes, the number 150 tells that they count from 1, and the number 255 that they do
    not. If no annotation has one of them, the file names tell whether they are ADE20K's.

    Raises:
        DataError: too many classes for 8 bits, or an annotation that cannot be read.
    """
    count = len(class_names)
    if count > VOID:
        raise DataError(
            f"annotations of 8 bits have at most {VOID} classes, but the model has {count:,}; pass "
            "a model with fewer classes."
        )
    if count != _ADE_CLASSES:
        return Numbering(count)
    as_ade = (
        f"the class numbers count from 1 to {count}, as in ADE20K: 1 is {class_names[0]!r}, and 0 "
        "has no class"
    )
    with without_warnings():
        for path in maps:
            present = used(read_numbers(path))
            if _ADE_CLASSES in present:
                return Numbering(count, True, (as_ade,))
            if VOID in present:
                return Numbering(count)
    if all(path.name.startswith(_ADE_NAME) for path in maps):
        return Numbering(count, True, (f"{as_ade}; the names of the files are ADE20K's",))
    plain = (
        f"the class numbers are taken to count from 0, so that 0 is {class_names[0]!r}: no "
        f"annotation has {_ADE_CLASSES} or {VOID}, which would tell; if they are ADE20K's, where 0 "
        f"has no class, name the files {_ADE_NAME}*.png as there"
    )
    return Numbering(count, False, (plain,))
