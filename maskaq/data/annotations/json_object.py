"""A JSON file that holds an object, from anyone: limited in size, and refused if it is damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn

from maskaq.errors import DataError

# The largest file that people have is instances_train2017.json of COCO, with 448 MB. Its objects
# take several times as much memory.
_MOST_BYTES = 512 << 20
_OUTLINES = "segmentation"  # most of such a file, and not used: left out while it is read


def read_object(path: Path) -> dict[str, Any]:
    """The object in a file, without the outlines of COCO's objects.

    Raises:
        DataError: the file cannot be read, is too large, or is not one JSON object; also if it has
            NaN or infinity, which JSON does not allow, or a key twice, of which one would be lost.
    """
    if not os.path.isfile(path):
        raise DataError(f"{path} is not a file; pass a JSON file in COCO's format.")
    try:
        if (size := path.stat().st_size) > _MOST_BYTES:
            raise DataError(
                f"{path} has {size >> 20:,} MB, allowed are {_MOST_BYTES >> 20}; remove images "
                "from it, or their outlines (segmentation), which are not used."
            )
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise DataError(f"{path} is not text in UTF-8; save it in this encoding.") from error
    try:
        content = json.loads(text, parse_constant=_refuse, object_pairs_hook=_object)
    except RecursionError as error:
        raise DataError(f"{path} is not valid JSON: it is nested too deeply.") from error
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); correct it.") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path} holds a value of the type {type(content).__name__}, not an object with "
            "images, annotations and categories; pass a JSON file in COCO's format."
        )
    return content


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice[:40]!r} twice")
    found.pop(_OUTLINES, None)
    return found
