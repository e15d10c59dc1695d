"""Whole images, resized to the input of a model without a crop, and their sizes before that."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from PIL import ExifTags, Image
from torch import Tensor

from maskaq.data.decoding import decode, without_warnings
from maskaq.data.folder.items import Item
from maskaq.data.folder.reading import read
from maskaq.errors import DataError

# Pillow resizes the width first: of an image with 1 x 89 million pixels this alone would take
# 180 GB. The loader of class folders cuts such images, which would cut off truth here.
_LONGEST = 16  # times the short side
_TURNED = range(2, 9)  # EXIF orientations; 1 is upright


class Size(NamedTuple):
    """Width and height of an upright image in pixels; 0 if it cannot be read.

    turned: whether its EXIF data say that it is stored turned or mirrored.
    """

    width: int
    height: int
    turned: bool = False

    def __str__(self) -> str:
        return f"{self.width} x {self.height} pixels"


class Whole(NamedTuple):
    """Images that were read, uint8 [n,3,H,W]; their positions in the list; sizes; and notes."""

    images: Tensor
    positions: list[int]
    sizes: list[Size]
    notes: tuple[str, ...]


def read_whole(
    paths: Sequence[Path], data_config: Mapping[str, Any], skip_unreadable: bool
) -> Whole:
    """The images in this order, resized to the input of the model without regard to their shape.

    Raises:
        DataError: an image cannot be read and none may be left out, all cannot be read, or one is
            too long and thin to be resized as a whole.
    """
    with without_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        sizes = list(pool.map(size_of, paths))
    for path, size in zip(paths, sizes, strict=True):
        if max(size[:2]) > _LONGEST * min(size[:2]):
            raise DataError(
                f"{path} has {size}: it is more than {_LONGEST} times longer than wide, which no "
                "model can see as a whole; cut it into parts, or remove it and its annotation."
            )
    whole = {**data_config, "crop_pct": 1.0, "crop_mode": "squash"}
    batch = read([Item(path, 0) for path in paths], whole, skip_unreadable)
    kept = [sizes[position] for position in batch.positions]
    notes = list(batch.notes)
    if any(size.turned for size in kept):
        notes.append("the annotations of images that were turned are taken to be of upright ones")
    return Whole(batch.images, batch.positions, kept, tuple(notes))


def size_of(path: Path) -> Size:
    """The size of an image as `decode` returns it; zeros if it cannot be read.

    The header of an upright JPEG tells the size; other images are decoded to know it.
    """
    size, turned = _of_header(path)
    if size is not None and not turned:
        return size
    try:
        found = decode(path)
    except Exception:  # of many types, on damaged files; `read` says why
        return Size(0, 0)
    return Size(*found.picture.size, turned or "turned" in found.facts)


def _of_header(path: Path) -> tuple[Size | None, bool]:
    """The size of a JPEG as it is stored, and whether an image is turned; PNG are not examined."""
    try:
        with Image.open(path) as picture:
            if picture.format == "PNG":  # would be decoded to look for EXIF data
                return None, False
            turned = picture.getexif().get(ExifTags.Base.Orientation) in _TURNED
            return Size(*picture.size) if picture.format == "JPEG" else None, turned
    except Exception:  # the readers raise many types of exceptions on damaged files
        return None, False
