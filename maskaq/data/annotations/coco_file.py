"""A JSON file in COCO's format, read and checked entry by entry.

It is an object with three lists (https://cocodataset.org/#format-data): `images` with `id` and
`file_name`, `annotations` with `image_id`, `category_id` and `bbox` (left, top, width and height in
pixels), and `categories` with `id` and `name`. Other keys are ignored, apart from `iscrowd` of an
annotation, and `width` and `height` of an image.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from maskaq.data.annotations.json_object import read_object
from maskaq.data.folder.items import printable
from maskaq.errors import DataError

_FARTHEST = 1e9  # pixels; larger numbers, such as 1e999, are not those of a box
# The truth has as many rows for each image as the most objects of an image. COCO has below 100.
_MOST_OBJECTS = 2000


class Box(NamedTuple):
    """An object. left, top, width and height: in pixels. number: its place in `annotations`."""

    category: int
    left: float
    top: float
    width: float
    height: float
    number: int


class Photo(NamedTuple):
    """An image. name: its file. sides: its width and height in pixels, if the file has them.

    number: its place in `images`.
    """

    number: int
    name: str
    sides: tuple[float, float] | None
    boxes: list[Box]


@dataclass(frozen=True)
class CocoFile:
    """What a file has. categories: names by id. crowds: annotations of groups, left out of boxes.

    path: of the file, for messages.
    """

    path: Path
    photos: tuple[Photo, ...]
    categories: Mapping[int, str]
    crowds: int

    def refuse(self, place: str, reason: str) -> NoReturn:
        """Raise an error about an entry, such as `annotations[3]`."""
        _refuse(self.path, place, reason)


class _Entry:
    """An object of one of the lists, whose values are checked when they are used."""

    def __init__(self, path: Path, place: str, values: Any) -> None:
        self.path, self.place = path, place
        if not isinstance(values, dict):
            self.refuse(f"is {_shown(values)}, not an object")
        self._values: dict[str, Any] = values

    def refuse(self, reason: str) -> NoReturn:
        _refuse(self.path, self.place, reason)

    def get(self, key: str, kinds: tuple[type, ...], allowed: str, default: Any = None) -> Any:
        """A value of one of these types; `True` is not an integer. default: None if needed."""
        value = self._values.get(key, default)
        if value is None and key not in self._values:
            self.refuse(f"has no {key}")
        if type(value) not in kinds:
            self.refuse(f"has the {key} {_shown(value)}, which is not {allowed}")
        return value

    def known(
        self, key: str, kinds: tuple[type, ...], allowed: str, table: Mapping[Any, Any]
    ) -> Any:
        """The id of an entry of another list."""
        value = self.get(key, kinds, allowed)
        if value not in table:
            self.refuse(f"has the {key} {_shown(value)}, which no entry has as its id")
        return value

    def has(self, key: str) -> bool:
        return key in self._values


_ID = (int, str), "an integer or text"
_INTEGER = (int,), "an integer"
_TEXT = (str,), "text"


def read_coco(path: Path) -> CocoFile:
    """Read and check a file.

    Raises:
        DataError: it cannot be read, a list is missing or empty, or an entry lacks a value, has one
            of another type, has an id twice, or names an id that is in no other list.
    """
    content = read_object(path)
    categories: dict[int, str] = {}
    for entry in _entries(path, content, "categories"):
        number = entry.get("id", *_INTEGER)
        if number in categories:
            entry.refuse(f"has the id {number} of another category")
        categories[number] = entry.get("name", *_TEXT)
    photos: dict[int | str, Photo] = {}
    for number, entry in enumerate(_entries(path, content, "images")):
        key = entry.get("id", *_ID)
        if key in photos:
            entry.refuse(f"has the id {_shown(key)} of another image")
        photos[key] = Photo(number, entry.get("file_name", *_TEXT), _sides(entry), [])
    crowds = 0
    for number, entry in enumerate(_entries(path, content, "annotations")):
        photo = photos[entry.known("image_id", *_ID, photos)]
        category = entry.known("category_id", *_INTEGER, categories)
        crowd = entry.get("iscrowd", (int, bool), "0 or 1", default=0)
        if crowd not in (0, 1):
            entry.refuse(f"has the iscrowd {_shown(crowd)}, which is not 0 or 1")
        if crowd:
            crowds += 1
        else:
            photo.boxes.append(Box(category, *_bbox(entry), number))
            if len(photo.boxes) > _MOST_OBJECTS:
                entry.refuse(
                    f"is object {_MOST_OBJECTS + 1:,} of its image, allowed are {_MOST_OBJECTS:,}"
                )
    if not any(photo.boxes for photo in photos.values()):
        _refuse(path, "annotations", "has only groups (iscrowd), and no single object")
    return CocoFile(path, tuple(photos.values()), categories, crowds)


def _entries(path: Path, content: Mapping[str, Any], key: str) -> Iterator[_Entry]:
    """The entries of a list, which must have some."""
    values = content.get(key)
    if not isinstance(values, list) or not values:
        raise DataError(
            f"{path} has no list `{key}` with entries, but needs images, annotations and "
            "categories as COCO's instances_val2017.json has them; pass such a file."
        )
    for number, value in enumerate(values):
        yield _Entry(path, f"{key}[{number}]", value)


def _sides(entry: _Entry) -> tuple[float, float] | None:
    """Width and height of an image in pixels; None if it has neither."""
    if not entry.has("width") and not entry.has("height"):
        return None
    width, height = (entry.get(key, (int, float), "a number") for key in ("width", "height"))
    if not (0 < width <= _FARTHEST and 0 < height <= _FARTHEST):
        entry.refuse(f"has the size {_shown(width)} x {_shown(height)}, which no image has")
    return width, height


def _bbox(entry: _Entry) -> tuple[float, float, float, float]:
    """Left, top, width and height in pixels."""
    values = entry.get("bbox", (list,), "a list")
    usable = len(values) == 4 and all(
        type(value) in (int, float) and -_FARTHEST <= value <= _FARTHEST for value in values
    )
    if not usable:
        entry.refuse(f"has the bbox {_shown(values)}, not x, y, width and height in pixels")
    left, top, width, height = map(float, values)
    if width <= 0 or height <= 0:
        entry.refuse(f"has the bbox {_shown(values)}, whose width or height is not positive")
    return left, top, width, height


def _shown(value: object) -> str:
    """A value for a message, shortened."""
    return printable(reprlib.repr(value))


def _refuse(path: Path, place: str, reason: str) -> NoReturn:
    raise DataError(f"{path}: {place} {reason}; correct the file, or remove the entry.")
