"""ImageNet's flat validation set, whose labels are numbers in the order of the development kit.

Image k of `ILSVRC2012_val_0000000k.JPEG` has its label in line k of the ground-truth file. The
labels count from 1 in an order of their own, neither that of the synsets nor that of timm; only
the kit's `meta.mat` (or a list with numbers and synsets) says which class they are.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

from scipy.io import loadmat

from maskaq.data.classes import Classes
from maskaq.data.folder.finding import Tree
from maskaq.data.folder.items import Item, Listing, in_order, quantity, some
from maskaq.errors import DataError

_IMAGE = re.compile(r"ILSVRC2012_val_(\d{8})\b")
_PAIR = re.compile(r"^(?:(\d+)[\s,]+(n\d{8})|(n\d{8})[\s,]+(\d+))\b", re.MULTILINE)
_MOST_BYTES = 1 << 26  # of a file, and of what MATLAB's compression makes of it
_MATLAB_HEADER, _COMPRESSED = 128, 15  # bytes before the first element; type of an element


def is_validation_set(tree: Tree) -> bool:
    """Whether a flat folder is ImageNet's validation set with a ground-truth file."""
    named = any(_IMAGE.match(image.name) for image, _ in tree.images)
    return named and _truth(tree) is not None


def list_validation_set(tree: Tree, classes: Classes) -> Listing:
    """The images with the labels of the ground-truth file.

    Raises:
        DataError: the order of the labels is unknown, or file and images do not fit.
    """
    truth = _truth(tree)
    assert truth is not None, "checked by is_validation_set"
    labels = _read(truth).split()
    used = [truth]
    if not all(re.fullmatch(r"n\d{8}", label) for label in labels):
        order, source = _order(tree, truth)
        labels = _synsets(labels, order, truth, source)
        used.append(source)
    numbers = {
        image: int(match[1]) for image, _ in tree.images if (match := _IMAGE.match(image.name))
    }
    highest = max(numbers.values())
    if highest > len(labels):
        raise DataError(
            f"{truth} has {quantity(len(labels), 'label')}, but there is an image {highest:,}; add "
            "the missing labels."
        )
    items = []
    for image, number in numbers.items():
        index = classes.find(labels[number - 1])
        if index is None:
            raise DataError(
                f"{image.name} is of the class {labels[number - 1]}, which the model lacks; "
                f"allowed: {classes.allowed()}."
            )
        items.append(Item(image, index))
    tree.others = [path for path in tree.others if path not in used]
    notes = [f"labels are from {' and '.join(path.name for path in used)}", *tree.notes()]
    without = [image.name for image, _ in tree.images if image not in numbers]
    if without:
        images = quantity(len(without), "image")
        notes.append(f"left out {images} whose names have no number: {some(without)}")
    return Listing(in_order(items), tuple(notes))


def _truth(tree: Tree) -> Path | None:
    names = (path for path in tree.others if path.name.lower().endswith("ground_truth.txt"))
    return next(names, None)


def _read(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MB, too large for labels.")
    try:
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as text ({error}); replace it.") from error


def _order(tree: Tree, truth: Path) -> tuple[dict[int, str], Path]:
    """Synsets by the numbers of the kit, and the file that has them."""
    for path in tree.others:
        if path == truth or path.stat().st_size > _MOST_BYTES:
            continue
        if path.name == "meta.mat":
            return _of_matlab(path), path
        if path.suffix in (".txt", ".csv"):
            pairs = _PAIR.findall(_read(path))
            if pairs:
                return {int(a or d): b or c for a, b, c, d in pairs}, path
    lowest = min(map(int, _numbers(_read(truth).split(), truth)))
    counted = (
        "They count from 1, in the order of the development kit, which is not that of the model"
        if lowest
        else "They count from 0, in an order that the file does not state"
    )
    raise DataError(
        f"{truth} has numbers without their synsets. {counted}: copy the kit's meta.mat into the "
        "folder, or replace the file by a text file with the image's name and its synset in each "
        "line."
    )


def _of_matlab(path: Path) -> dict[int, str]:
    try:
        _check_inflated(path.read_bytes())
        rows = loadmat(path, squeeze_me=True)["synsets"]
        return {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in rows}
    except Exception as error:  # the reader raises many types of exceptions on damaged files
        raise DataError(
            f"{path} cannot be read as the kit's table of synsets ({error}); replace it."
        ) from error


def _check_inflated(data: bytes) -> None:
    """Refuse compressed elements of MATLAB 5 that would fill the memory."""
    at, left = _MATLAB_HEADER, _MOST_BYTES
    while at + 8 <= len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == _COMPRESSED:
            left -= len(zlib.decompressobj().decompress(data[at + 8 : at + 8 + size], left))
            if left <= 0:
                raise ValueError(f"it has more than {_MOST_BYTES >> 20} MB uncompressed")
        at += 8 + size


def _synsets(labels: list[str], order: dict[int, str], truth: Path, source: Path) -> list[str]:
    numbers = _numbers(labels, truth)
    missing = sorted(set(numbers) - set(order))
    if missing:
        raise DataError(
            f"{truth} has the label {missing[0]}, which {source} does not have; both must be of "
            "the same kit."
        )
    return [order[number] for number in numbers]


def _numbers(labels: Iterable[str], truth: Path) -> list[int]:
    try:
        return [int(label) for label in labels]
    except ValueError as error:
        raise DataError(f"{truth} has to have one number or synset a line ({error}).") from error
