"""A list of class names from a file: text, JSON, or the configuration of a transformers model."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from maskaq.errors import DataError, some

_MOST_BYTES = 16 << 20
_SYNSET = re.compile(r"n\d{8}")
_NUMBERED = re.compile(r"(\d+)[\s,;:]+(\S.*)")
_WITH_SYNSET = re.compile(r"(n\d{8})[\s,;:]+(\S.*)")
# Keys of JSON files that hold the list; the first is that of transformers.
_KEYS = ("id2label", "label2id", "class_to_idx", "classes", "class_names", "names", "labels")


class ClassList(NamedTuple):
    """Names in the order of the model's outputs. synsets: empty unless each name has one.

    notes: what was decided.
    """

    names: tuple[str, ...]
    synsets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def read_class_list(path: str | Path, count: int) -> ClassList:
    """Read the names of all classes of a model.

    The file is text with one name a line (also `0 tench` or `n01440764 tench`), or JSON: a list,
    names with their indices (`class_to_idx`), indices with their names (`id2label`), or a
    `config.json` of transformers that has one of them.

    Args:
        count: classes of the model.

    Raises:
        DataError: the file cannot be read, or has too few, too many or repeated names or indices.
    """
    path = Path(path)
    text = _read(path)
    if path.suffix.lower() == ".json" or text.lstrip().startswith(("[", "{")):
        names, notes = _of_json(path, text, count)
    else:
        names, notes = _of_lines(path, [line.strip() for line in text.splitlines()], count)
    if len(names) != count:
        raise DataError(f"{path} has {len(names):,} class names, but the model has {count:,}.")
    plain, synsets = _without_synsets(names)
    repeated = [name for name, times in Counter(synsets or plain).items() if times > 1]
    if repeated:
        raise DataError(
            f"{path} has {len(repeated):,} names more than once, such as {some(repeated)}; make "
            "them different."
        )
    return ClassList(plain, synsets, notes)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MB; pass a class list.")
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeError as error:
        raise DataError(f"{path} is not text in UTF-8; save it in this encoding.") from error


def _of_lines(path: Path, lines: Sequence[str], count: int) -> tuple[list[str], tuple[str, ...]]:
    """Names in order; the lines may start with the index."""
    filled = [line for line in lines if line]
    numbered = [_NUMBERED.fullmatch(line) for line in filled]
    if not filled or not all(numbered):
        return filled, ()
    pairs = [(int(match[1]), match[2]) for match in numbered if match]
    return _placed(path, pairs, count)


def _of_json(path: Path, text: str, count: int) -> tuple[list[str], tuple[str, ...]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}); correct it.") from error
    if isinstance(content, Mapping):
        content = next((content[key] for key in _KEYS if _is_list(content.get(key))), content)
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return [name.strip() for name in content], ()
    pairs = _pairs(content)
    if pairs is None:
        raise DataError(
            f"{path} has no class names; allowed: a list of names, names with their indices "
            '({"tench": 0}), or indices with their names ({"0": "tench"}).'
        )
    return _placed(path, pairs, count)


def _is_list(value: object) -> bool:
    return isinstance(value, list | Mapping) and bool(value)


def _pairs(content: Any) -> list[tuple[int, str]] | None:
    """Indices with names, from either of the two kinds of objects; None for other JSON."""
    if not isinstance(content, Mapping) or not content:
        return None
    if all(type(value) is int for value in content.values()):  # class_to_idx
        return [(index, name) for name, index in content.items()]
    if not all(key.isascii() and key.isdigit() for key in content):
        return None
    # id2label; the index of ImageNet that Keras has holds [synset, name].
    names = [" ".join(v) if _is_strings(v) else v for v in content.values()]
    if not all(isinstance(name, str) for name in names):
        return None
    return [(int(key), name) for key, name in zip(content, names, strict=True)]


def _is_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _placed(
    path: Path, pairs: Sequence[tuple[int, str]], count: int
) -> tuple[list[str], tuple[str, ...]]:
    """Names in the order of their indices, which count from 0, or all from 1."""
    by_index = dict(pairs)
    if len(by_index) < len(pairs):
        repeated = [index for index, times in Counter(i for i, _ in pairs).items() if times > 1]
        raise DataError(f"{path} has several names for the index {some(sorted(repeated))}.")
    first = 1 if sorted(by_index) == list(range(1, count + 1)) else 0
    missing = sorted(set(range(count)) - {index - first for index in by_index})
    beyond = sorted(index for index in by_index if not 0 <= index - first < count)
    if missing or beyond:
        parts = [f"no name for the index {some(missing)}"] if missing else []
        parts += [f"the index {some(beyond)}"] if beyond else []
        raise DataError(
            f"{path} has {' and '.join(parts)}; the {count:,} classes of the model have the "
            f"indices 0 to {count - 1}."
        )
    notes = (f"the indices in {path.name} count from 1: index 1 is class 0",) if first else ()
    return [by_index[index + first].strip() for index in range(count)], notes


def _without_synsets(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and, if each of them is or starts with a synset, the synsets."""
    if all(map(_SYNSET.fullmatch, names)):
        return tuple(names), tuple(names)
    matches = [_WITH_SYNSET.fullmatch(name) for name in names]
    if not all(matches):
        return tuple(names), ()
    found = [match for match in matches if match]
    return tuple(match[2] for match in found), tuple(match[1] for match in found)
