"""Images in Parquet files, as Hugging Face's data sets are stored: a column of encoded images and
a column of labels. They are read in small batches."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from maskaq.data.classes import Classes
from maskaq.data.folder.items import Item, Listing, count_note, in_order, quantity, some
from maskaq.data.folder.tables import LABEL_COLUMNS
from maskaq.errors import DataError

ENDING = ".parquet"
_IMAGE_COLUMNS = ("image", "img", "picture", "photo", "pixel_values", "jpg", "png", "bytes")
_LABELS = (*LABEL_COLUMNS, "labels", "fine_label", "cls")
_SHARD = re.compile(r"^(.*?)-\d+(-of-\d+)?$")  # train-00000-of-00002
_BATCH = 32  # rows; an encoded image rarely has more than some megabytes
_MOST_ROWS = 50_000_000
_BUFFER = 1 << 20  # bytes that are read at once


class _Columns(NamedTuple):
    """The two columns. encoded: the one with the bytes. names: of the label's values, if stored."""

    encoded: str
    label: str
    names: tuple[str, ...]


def list_parquet(files: list[Path], classes: Classes) -> Listing:
    """The rows of all files that have a label.

    Raises:
        DataError: files of several splits, a file that cannot be read, no column of images or of
            labels, or a label that names no class.
    """
    _check_one_split(files)
    items, notes, seen, unlabelled = [], [], set[str](), 0
    for path in files:
        with _opened(path) as file:
            if file.metadata.num_rows > _MOST_ROWS:
                raise DataError(f"{path} has more than {_MOST_ROWS:,} rows; pass a smaller one.")
            columns = _columns(path, file.schema_arrow, classes)
            try:
                values = file.read([columns.label])[columns.label].to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise _damaged(path, error) from error
        labels, note = _labels(path, columns, set(values) - {None, -1}, classes)
        notes += [text for text in note if text not in notes]
        seen |= {str(value) for value in labels} if not columns.names else set()
        unlabelled += sum(value not in labels for value in values)
        items += [
            Item(path, labels[value], row) for row, value in enumerate(values) if value in labels
        ]
    if unlabelled:
        notes.append(f"left out {quantity(unlabelled, 'row')} without a label")
    return Listing(in_order(items), tuple([*notes, *count_note(seen, classes)]))


def encoded_images(path: Path, rows: Collection[int]) -> Iterator[list[tuple[int, bytes | None]]]:
    """Encoded images of a file by row, in batches; None for a row without an image.

    Raises:
        DataError: the file is damaged.
    """
    wanted, first = set(rows), 0
    with _opened(path) as file:
        column = _image_column(path, file.schema_arrow)
        try:
            for batch in file.iter_batches(_BATCH, columns=[column]):
                here = [row for row in range(first, first + len(batch)) if row in wanted]
                cells = batch.column(0)
                if isinstance(cells, pa.StructArray):
                    cells = cells.field("bytes")
                yield [(row, cells[row - first].as_py()) for row in here]
                first += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise _damaged(path, error) from error


def count_rows(path: Path) -> int:
    """Rows of a file, from its footer.

    Raises:
        DataError: the file is damaged.
    """
    with _opened(path) as file:
        return int(file.metadata.num_rows)


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, buffer_size=_BUFFER)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataError:
    line = str(error).partition("\n")[0]
    return DataError(f"{path} cannot be read as a Parquet file ({line}); replace it.")


def _check_one_split(files: list[Path]) -> None:
    splits: dict[str, list[Path]] = {}
    for path in files:
        match = _SHARD.match(path.stem)
        splits.setdefault(match[1] if match else path.stem, []).append(path)
    if len(splits) > 1:
        name = min(splits, key=lambda one: (not one.startswith(("val", "test")), one))
        example = splits[name][0]
        pattern = example if len(splits[name]) == 1 else example.with_name(f"{name}-*{ENDING}")
        raise DataError(
            f"{files[0].parent} has Parquet files of several splits ({', '.join(sorted(splits))}); "
            f"pass those of one, such as '{pattern}'."
        )


def _columns(path: Path, schema: pa.Schema, classes: Classes) -> _Columns:
    stored = _class_names(schema)
    usable = [name for name in schema.names if name in stored or name.lower() in _LABELS]
    fitting = [name for name in usable if len(stored.get(name, ())) == classes.count]
    chosen = fitting if len(usable) > 1 and len(fitting) == 1 else usable
    if len(chosen) != 1:
        what = (
            f"several columns of labels ({', '.join(chosen)})" if chosen else "no column of labels"
        )
        raise DataError(
            f"{path} has {what}; its columns are {', '.join(schema.names)}. Keep one, named label."
        )
    return _Columns(_image_column(path, schema), chosen[0], stored.get(chosen[0], ()))


def _image_column(path: Path, schema: pa.Schema) -> str:
    """The column of encoded images: `image.bytes` of a struct, or one of bytes."""
    kinds = {field.name: field.type for field in schema}
    for name in sorted(kinds, key=lambda one: one.lower() not in _IMAGE_COLUMNS):
        kind = kinds[name]
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return f"{name}.bytes"
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(name)
    raise DataError(
        f"{path} has no column of encoded images; its columns are {', '.join(schema.names)}. Name "
        "one image, with the bytes of PNG or JPEG files."
    )


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """Names of the values of label columns, as Hugging Face's `datasets` stores them."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = stored["info"]["features"]
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _labels(
    path: Path, columns: _Columns, values: Collection[object], classes: Classes
) -> tuple[dict[object, int], list[str]]:
    """Classes by the values of the label column, and a note if their names are not the model's."""
    told, notes = {value: str(value) for value in values}, []
    if columns.names:
        unnamed = [text for text in told.values() if text not in _positions(columns.names)]
        if unnamed:
            raise DataError(
                f"{path} has the label {unnamed[0]}, but names of {len(columns.names)} classes; "
                "allowed: their positions, from 0."
            )
        if _by_name(columns.names, classes):
            told = {value: columns.names[int(text)] for value, text in told.items()}
        elif not _in_order(columns.names, classes):
            notes = [
                f"labels of {path.name} are taken as class indices: its names "
                f"({some(columns.names)}) are not those of the model"
            ]
    found = {value: classes.find(text) for value, text in told.items()}
    unknown = [told[value] for value, index in found.items() if index is None]
    if unknown:
        raise DataError(
            f"{path} has {quantity(len(unknown), 'label')} that name no class of the model, such "
            f"as {unknown[0]!r}; allowed: {classes.allowed()}.{classes.hint(unknown)}"
        )
    return {value: index for value, index in found.items() if index is not None}, notes


def _by_name(names: tuple[str, ...], classes: Classes) -> bool:
    """Whether labels go by their names: the model knows some, and has them in another order."""
    known = any(classes.find(name) is not None and not classes.is_index(name) for name in names)
    return known and not _in_order(names, classes)


def _in_order(names: tuple[str, ...], classes: Classes) -> bool:
    """Whether names are in the model's order, as far as it knows them."""
    found = [classes.find(name) for name in names]
    places = [index in (None, place) for place, index in enumerate(found)]
    return len(names) == classes.count and all(places) and any(i is not None for i in found)


def _positions(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(map(str, range(len(names))))
