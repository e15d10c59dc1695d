"""Images whose labels are in a table: CSV, TSV, JSON lines, or text with a name and a label a line.

The table lies beside the images or above them: `metadata.csv` and `metadata.jsonl` of Hugging
Face's image folders, `LOC_val_solution.csv` of ImageNet, `val_annotations.txt` of Tiny ImageNet.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from maskaq.data.classes import Classes
from maskaq.data.folder.finding import Tree
from maskaq.data.folder.items import Item, Listing, count_note, in_order, quantity, some
from maskaq.errors import DataError

ENDINGS = (".csv", ".tsv", ".jsonl", ".txt")
FILE_COLUMNS = (
    *("file_name", "filename", "file", "image_path", "filepath", "file_path", "path"),
    *("image_name", "image_id", "imageid", "image", "img", "name", "id"),
)
LABEL_COLUMNS = (
    *("label", "class", "target", "category", "synset", "wnid", "predictionstring"),
    *("class_name", "label_name", "classname", "class_id", "label_id", "class_idx", "label_idx"),
)
_SPLIT_COLUMNS = ("split", "subset", "partition", "fold")
_MOST_BYTES = 1 << 28


class Table(NamedTuple):
    """A table of labels. rows: file and label. notes: which columns they are."""

    path: Path
    rows: list[tuple[str, str]]
    notes: tuple[str, ...]


class Names:
    """The images below a folder by the names that a table may give them."""

    def __init__(self, folder: Path, images: Sequence[Path]) -> None:
        self._whole: dict[str, Path | None] = {}  # by path; None for several images
        self._ends: dict[str, Path | None] = {}  # by end of the path
        for image in images:
            parts = image.relative_to(folder).parts
            for first in range(len(parts)):
                end = "/".join(parts[first:])
                for key in (end, end.removesuffix(image.suffix)):
                    for table in (self._ends,) if first else (self._ends, self._whole):
                        table[key] = image if table.get(key, image) == image else None

    def find(self, name: str) -> Path | None:
        """The image of a name: its path, or the end of its path, with or without the ending.

        The table may also give a longer path, which ends with the path below the folder.
        """
        parts = [
            part for part in name.strip().replace("\\", "/").split("/") if part not in ("", ".")
        ]
        for first in range(len(parts)):
            image = self._whole.get("/".join(parts[first:]))
            if image is not None:
                return image
        return self._ends.get("/".join(parts))


def list_table(folder: Path, tree: Tree, classes: Classes, chosen: Path | None = None) -> Listing:
    """The images that a table gives a label. chosen: the table, if it was named.

    Raises:
        DataError: no table or several, a table that cannot be read, a label that names no class, or
            two labels for one image.
    """
    names = Names(folder, [image for image, _ in tree.images])
    table = _table(folder, tree, names, chosen, classes)
    labels: dict[Path, str] = {}
    missing, blank = [], 0
    for file, label in table.rows:
        image = names.find(file)
        if image is None:
            missing.append(file)
        elif not label:
            blank += 1
        elif labels.setdefault(image, label) != label:
            raise DataError(
                f"{table.path} gives {file} two labels, {labels[image]!r} and {label!r}; keep one."
            )
    items = _items(labels, table.path, classes)
    tree.others = [path for path in tree.others if path != table.path]
    notes = [*table.notes, *tree.notes(), *count_note(set(labels.values()), classes)]
    without = [image.name for image, _ in tree.images if image not in labels]
    if missing:
        rows = quantity(len(missing), "row")
        notes.append(f"{rows} of {table.path.name} without an image in the folder: {some(missing)}")
    if blank:
        notes.append(f"{quantity(blank, 'row')} of {table.path.name} without a label")
    if without:
        images = quantity(len(without), "image")
        notes.append(f"left out {images} without a label in {table.path.name}: {some(without)}")
    return Listing(in_order(items), tuple(notes))


def has_table(folder: Path, tree: Tree) -> bool:
    """Whether a file beside the images is a table with labels of some of them.

    Raises:
        DataError: as `list_table`, for a file that cannot be read.
    """
    names = Names(folder, [image for image, _ in tree.images])
    return any(_read(path, names) for path in _candidates(folder, tree))


def _items(labels: dict[Path, str], table: Path, classes: Classes) -> list[Item]:
    found = {label: classes.find(label) for label in dict.fromkeys(labels.values())}
    unknown = [label for label, index in found.items() if index is None]
    if unknown:
        raise DataError(
            f"{table} has {quantity(len(unknown), 'label')} that name no class of the model, such "
            f"as {unknown[0]!r}; allowed: {classes.allowed()}.{classes.hint(unknown)}"
        )
    return [Item(image, found[label] or 0) for image, label in labels.items()]


def _table(folder: Path, tree: Tree, names: Names, chosen: Path | None, classes: Classes) -> Table:
    """The one table of the folder, `metadata` before others."""
    candidates = [chosen] if chosen else _candidates(folder, tree)
    tables = [table for path in candidates if (table := _read(path, names))]
    tables = [table for table in tables if table.path.stem == "metadata"] or tables
    if len(tables) > 1:
        listed = ", ".join(str(table.path) for table in tables)
        raise DataError(f"{folder} has several tables of labels; pass one of them: {listed}.")
    if not tables:
        tried = ", ".join(path.name for path in candidates)
        reason = f" {tried} has no columns of files in the folder and their labels." * bool(tried)
        raise DataError(
            f"{folder} has {quantity(len(tree.images), 'image')}, but neither class folders nor a "
            f"table of labels.{reason} Put the images in folders named by class "
            f"({classes.allowed()}), or add a CSV file with the columns file and label."
        )
    return tables[0]


def _candidates(folder: Path, tree: Tree) -> list[Path]:
    return [
        path for path in tree.others if path.parent == folder and path.suffix.lower() in ENDINGS
    ]


def _read(path: Path, names: Names) -> Table | None:
    """A table with labels of the folder's images; None for another file.

    Raises:
        DataError: it cannot be read.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MB, too large for a table.")
    try:
        text = path.read_text("utf-8-sig")
        lines = path.suffix.lower() == ".txt"
        return _from_lines(path, text, names) if lines else _from_cells(path, text, names)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{path} cannot be read as a table of labels ({error}); save it as UTF-8 with one "
            "image per row, or remove it."
        ) from error


def _from_lines(path: Path, text: str, names: Names) -> Table | None:
    """Lines with a file and a label, separated by tabs, commas or spaces."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    rows = [row for line in lines if (row := _row(line, names))]
    if not any(names.find(file) for file, _ in rows):
        return None
    return Table(path, rows, (f"labels are from {path.name}",))


def _row(line: str, names: Names) -> tuple[str, str] | None:
    """File and label; None for one word. Either may hold spaces, so that a file decides."""
    if re.search(r"[\t,;]", line):
        file, *others = (part.strip() for part in re.split(r"[\t,;]", line))
        # A number that others follow may be one of a box; a synset or a name is a label.
        return (file, ",".join(others)) if others[0].isdigit() else (file, others[0])
    ways = [way for way in (line.rsplit(maxsplit=1), line.split(maxsplit=1)) if len(way) == 2]
    file, label = next((way for way in ways if names.find(way[0])), ways[0]) if ways else ("", "")
    return (file, label) if label else None


def _from_cells(path: Path, text: str, names: Names) -> Table | None:
    """Columns with usual names, or two columns without a header."""
    frame = _frame(path, text)
    first = [str(cell).strip() for cell in frame.iloc[0]] if len(frame) else []
    header = [cell.lower() for cell in first]
    files, labels = (
        [header.index(name) for name in usual if name in header]
        for usual in (FILE_COLUMNS, LABEL_COLUMNS)
    )
    if not files and len(header) == 2 and names.find(first[0]):
        return Table(path, _rows(frame, 0, 1, ""), (f"labels are from {path.name}",))
    if not files or not labels:  # another column may be anything, such as a width
        return None
    body, label = frame.iloc[1:], labels[0]
    file = next((one for one in files if any(map(names.find, body[one].map(str)))), None)
    if file is None:
        return None
    rows = _rows(body, file, label, header[label])
    notes = [f"labels are from {path.name}, columns {header[file]} and {header[label]}"]
    for column in (header.index(name) for name in _SPLIT_COLUMNS if name in header):
        splits = frame[column].iloc[1:].value_counts()
        if len(splits) > 1:
            counts = ", ".join(f"{name} {count:,}" for name, count in splits.items())
            notes.append(f"rows of all splits were read: {counts}")
    return Table(path, rows, tuple(notes))


def _frame(path: Path, text: str) -> pd.DataFrame:
    """The cells as text, with the header as the first row."""
    if path.suffix.lower() == ".jsonl":
        objects = [json.loads(line) for line in text.splitlines() if line.strip()]
        if not all(isinstance(one, dict) for one in objects):
            raise ValueError("a line is not a JSON object")
        header = list(dict.fromkeys(key for one in objects for key in one))
        cells = [[_text(one.get(key)) for key in header] for one in objects]
        return pd.DataFrame([header, *cells])
    separator = max(",;\t", key=text.partition("\n")[0].count)
    if not text.strip():
        return pd.DataFrame()
    stream = io.StringIO(text)
    return pd.read_csv(stream, sep=separator, header=None, dtype=str, keep_default_na=False)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _rows(frame: pd.DataFrame, file: int, label: int, column: str) -> list[tuple[str, str]]:
    """Files and labels. Of a prediction string (`n01440764 12 3 240 98`), the first word counts."""
    labels = [str(cell).strip() for cell in frame[label]]
    if column == "predictionstring":
        labels = [cell.partition(" ")[0] for cell in labels]
    whole = [re.sub(r"^(\d+)\.0+$", r"\1", cell) for cell in labels]  # indices saved as floats
    return list(zip(map(str, frame[file]), whole, strict=True))
