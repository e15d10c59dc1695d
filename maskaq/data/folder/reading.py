"""Reads listed images, preprocessed as timm does, and collects what was decided or not readable."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, UnidentifiedImageError
from timm.data import create_transform
from torch import Tensor

from maskaq.data.decoding import FACTS, decode, without_warnings
from maskaq.data.folder.items import Item, quantity, some
from maskaq.data.folder.parquet import encoded_images
from maskaq.errors import DataError

_LONGEST = 16  # times the short side; more is cut off at both ends before resizing
_SHOWN = 3  # unreadable images in a message


class Batch(NamedTuple):
    """Images that were read, uint8 [n,3,S,S]; their positions in the list; and notes."""

    images: Tensor
    positions: list[int]
    notes: tuple[str, ...]


def transform_of(data_config: Mapping[str, Any]) -> Callable[[Image.Image], Tensor]:
    """timm's preprocessing of a PIL image for a model, without normalisation: uint8 [3,S,S].

    Of an image that is more than 16 times longer than wide, only the middle is resized when the
    model sees nothing else: resized as a whole, it would take gigabytes.
    """
    transform: Callable[[Image.Image], Tensor] = create_transform(
        data_config["input_size"],
        interpolation=data_config["interpolation"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        normalize=False,
    )
    if data_config["crop_mode"] != "center":
        return transform
    return lambda picture: transform(_without_ends(picture))


def read(items: Sequence[Item], data_config: Mapping[str, Any], skip_unreadable: bool) -> Batch:
    """The images in this order.

    Raises:
        DataError: an image cannot be read and none may be left out, or all cannot be read.
    """
    images = torch.empty(len(items), *data_config["input_size"], dtype=torch.uint8)  # [N,3,S,S]
    facts, failed = _read_into(images, items, transform_of(data_config))
    counts = Counter(facts)
    notes = [FACTS[fact].format(quantity(counts[fact], "image")) for fact in FACTS if counts[fact]]
    if not failed:
        return Batch(images, list(range(len(items))), tuple(notes))
    if not skip_unreadable or len(failed) == len(items):
        raise DataError(_refusal(items, failed))
    kept = [position for position in range(len(items)) if position not in failed]
    places = (items[position].place for position in sorted(failed))
    names = some(f"{place.parent.name}/{place.name}" for place in places)
    notes.append(f"left out {quantity(len(failed), 'unreadable image')}: {names}")
    return Batch(images[kept], kept, tuple(notes))  # [n,3,S,S]


def _read_into(
    images: Tensor, items: Sequence[Item], transform: Callable[[Image.Image], Tensor]
) -> tuple[list[str], dict[int, str]]:
    """Fill images uint8 [N,3,S,S]; what was decided, and why images failed, by position."""
    facts: list[str] = []
    failed: dict[int, str] = {}

    def read_one(task: tuple[int, Path | bytes | None]) -> None:
        position, source = task
        try:
            if source is None:
                raise DataError("the row has no image")
            picture, decided = decode(BytesIO(source) if isinstance(source, bytes) else source)
            images[position] = transform(picture)  # [3,S,S]
        except UnidentifiedImageError:
            failed[position] = "it is in none of the known formats"
        except Exception as error:  # decoders raise many types of exceptions on damaged files
            failed[position] = " ".join(str(error).split()) or type(error).__name__
        else:
            facts.extend(decided)

    with without_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for tasks in _sources(items):
            list(pool.map(read_one, tasks))
    return facts, failed


def _sources(items: Sequence[Item]) -> Iterator[list[tuple[int, Path | bytes | None]]]:
    """Positions with a path or encoded images: all files at once, rows of Parquet in batches."""
    files: list[tuple[int, Path | bytes | None]] = []
    rows: dict[Path, dict[int, int]] = {}
    for position, item in enumerate(items):
        if item.row < 0:
            files.append((position, item.path))
        else:
            rows.setdefault(item.path, {})[item.row] = position
    yield files
    for path, positions in rows.items():
        for batch in encoded_images(path, positions):
            yield [(positions[row], data) for row, data in batch]


def _refusal(items: Sequence[Item], failed: Mapping[int, str]) -> str:
    """The message for images that cannot be read."""
    advice = "replace or remove {}, or leave {} out with --skip-unreadable (skip_unreadable=True)."
    if len(failed) == 1:
        ((position, reason),) = failed.items()
        it = advice.format("it", "it")
        return f"{items[position].place} cannot be read as an image ({reason}); {it}"
    shown = [
        f"{items[position].place} ({failed[position]})" for position in sorted(failed)[:_SHOWN]
    ]
    return (
        f"{len(failed):,} of {len(items):,} images cannot be read, such as {', '.join(shown)}; "
        f"{advice.format('them', 'them')}"
    )


def _without_ends(picture: Image.Image) -> Image.Image:
    """The middle of a very long picture, of which the model only sees a square."""
    width, height = picture.size
    cut_x = max(0, (width - _LONGEST * height) // 2)
    cut_y = max(0, (height - _LONGEST * width) // 2)
    if not (cut_x or cut_y):
        return picture
    return picture.crop((cut_x, cut_y, width - cut_x, height - cut_y))
