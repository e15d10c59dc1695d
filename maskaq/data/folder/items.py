"""Labelled images before they are read, and sentences about what was decided or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from maskaq import errors
from maskaq.data.classes import Classes


class Item(NamedTuple):
    """A labelled image. row: of a Parquet file; -1 for an image file."""

    path: Path
    label: int
    row: int = -1

    @property
    def place(self) -> Path:
        """The file; for a row of Parquet, with ` row N` after its name."""
        return self.path if self.row < 0 else Path(f"{self.path} row {self.row}")


@dataclass(frozen=True)
class Listing:
    """The images of a folder in order of label and path, and notes about what was left out."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()


def quantity(count: int, noun: str) -> str:
    """A number with its noun.

    >>> quantity(1, "image"), quantity(1234, "image"), quantity(2, "copy")
    ('1 image', '1,234 images', '2 copies')
    """
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"


def printable(name: str) -> str:
    """A file name without control characters and broken encodings, which names may have.

    >>> printable("a\\x1b[2Jb")
    'a?[2Jb'
    """
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def some(names: Iterable[object]) -> str:
    """The first few names, printable, and how many more there are."""
    return errors.some(printable(str(name)) for name in names)


def by_ending(paths: Iterable[Path]) -> str:
    """Counts by ending, such as `12 .txt, 18 .mp4`."""
    counts = Counter(printable(path.suffix.lower()) or "without ending" for path in paths)
    return ", ".join(f"{count:,} {ending}" for ending, count in sorted(counts.items()))


def count_note(labels: Collection[str], classes: Classes) -> list[str]:
    """A warning if labels that are class indices may count from 1."""
    numbers = {int(label) for label in labels if classes.is_index(label)}
    if 1 in numbers and 0 not in numbers:
        return [
            "class 0 has no images; if the labels count from 1, rename them or pass --class-names "
            "FILE with one of them a line"
        ]
    return []


def in_order(items: Iterable[Item]) -> tuple[Item, ...]:
    """Sorted by label, then path and row."""
    return tuple(sorted(items, key=lambda item: (item.label, item.path, item.row)))
