"""A table of all runs below a folder, including damaged ones with the reason.

Only manifests are opened, so that thousands of runs are listed in less than a second.
"""

from __future__ import annotations

import json
import operator
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from maskaq.checkpoints import KEY
from maskaq.config.dotted import flat
from maskaq.config.options import bits_name
from maskaq.errors import OptionError, RunError, unknown
from maskaq.results import manifest

WHOLE, DAMAGED, UNFINISHED = "whole", "damaged", "unfinished"
_DEPTH = 4  # levels of folders that are searched
# Short names of the first columns; every setting of the spec follows under its dotted name.
_SHORT: Mapping[str, str] = {
    "model": "spec.model",
    "method": "spec.method",
    "source": "spec.synthesis.source",
    "backend": "spec.fit.backend",
    "seed": "spec.seed",
    "images": "samples.count",
    "p": "fp.top1",
    "q": "q.top1",
    "q_low": "q.top1_low",
    "q_high": "q.top1_high",
    "agreement": "agreement",
    "n": "evaluated",
    "seconds": "seconds.total",
    "peak_memory_mb": "peak_memory_mb",
    "created": "created",
    "device": "device",
}
_NUMBERS = ("seed", "images", "p", "q", "q_low", "q_high", "agreement", "n", "seconds")
COLUMNS = ("run", "folder", "state", "problem", "bits", *_SHORT)
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Entry:
    """A run in a folder.

    state: `WHOLE`, `DAMAGED`, or `UNFINISHED` if its program was stopped or is still running.
    problem: the reason, unless whole. row: its columns in `list_runs`; empty if it is unreadable.
    """

    folder: Path
    state: str
    problem: str
    row: Mapping[str, Any]


def entries(folder: Path, *, thorough: bool = False) -> Iterator[Entry]:
    """Every run in a folder and its subfolders, sorted by name.

    Args:
        thorough: also verify the checksums of all files.

    Raises:
        RunError: there is no such folder.
    """
    if not folder.is_dir():
        raise RunError(
            f"{folder} is not a folder; pass one that `python -m maskaq run --out` has written to."
        )
    yield from _below(folder, _DEPTH, thorough)


def _below(folder: Path, depth: int, thorough: bool) -> Iterator[Entry]:
    try:
        with os.scandir(folder) as items:
            inside = {item.name: item.is_dir(follow_symlinks=False) for item in items}
    except OSError as error:
        yield Entry(folder, DAMAGED, f"the folder cannot be read ({error.strerror})", {})
        return
    files = {name for name, is_folder in inside.items() if not is_folder}
    if files & {manifest.NAME, "result.json"} or (folder.name.startswith(".") and files):
        yield _entry(folder, thorough)
    elif depth:
        for name in sorted(set(inside) - files):
            yield from _below(folder / name, depth - 1, thorough)


def _entry(folder: Path, thorough: bool) -> Entry:
    try:
        contents = manifest.read(folder)
        if thorough:
            manifest.verify(folder, contents)
        row = _row(contents.summary)
    except RunError as error:
        if (folder / KEY).is_file():
            return Entry(folder, UNFINISHED, _resume_hint(folder), {})
        state = UNFINISHED if folder.name.startswith(".") else DAMAGED
        return Entry(folder, state, str(error), {})
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"the summary in its {manifest.NAME} lacks {error}; repeat the run"
        return Entry(folder, DAMAGED, why, {})
    if folder.name.startswith("."):
        why = f"it is complete, but was not renamed when its program stopped; rename {folder}"
        return Entry(folder, UNFINISHED, why, row)
    return Entry(folder, WHOLE, "", row)


def _resume_hint(folder: Path) -> str:
    why = "checkpoints of a run that was stopped or is still running"
    try:
        command = json.loads((folder / KEY).read_text())["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{why}; its command cannot be read"
    return f"{why}; resume it with: {command}"


def list_runs(folder: Path | str, *, thorough: bool = False) -> pd.DataFrame:
    """One row per run: `COLUMNS`, then every setting by its dotted name; shares in 0..1.

    Raises:
        RunError: as `entries`.
    """
    return rows(entries(Path(folder), thorough=thorough), Path(folder))


def rows(runs: Iterable[Entry], folder: Path) -> pd.DataFrame:
    """As `list_runs`, for some runs; `run` is their path relative to `folder`."""
    table = pd.DataFrame(
        {
            "run": os.path.relpath(entry.folder, folder),
            "folder": str(entry.folder),
            "state": entry.state,
            "problem": entry.problem,
            **entry.row,
        }
        for entry in runs
    )
    others = [name for name in table.columns if name not in COLUMNS]
    return table.reindex(columns=[*COLUMNS, *others])


def delete(entry: Entry) -> None:
    """Delete a run; a half-deleted run is never listed as whole.

    Raises:
        RunError: its folder cannot be removed.
    """
    folder = entry.folder
    try:
        trash = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        os.replace(folder, trash)
        (trash / manifest.NAME).unlink(missing_ok=True)
        shutil.rmtree(trash)
    except OSError as error:
        raise RunError(f"{folder} cannot be removed ({error}).") from error


def _row(summary: Mapping[str, Any]) -> dict[str, Any]:
    values = flat(summary)
    row = {short: values[name] for short, name in _SHORT.items()}
    for name in _NUMBERS:
        if isinstance(row[name], bool) or not isinstance(row[name], int | float):
            raise TypeError(f"a number as {name}: it has {row[name]!r}")
    formats = summary["spec"]["quantization"]
    bits = formats["weight_bits"], formats["activation_bits"], formats.get("average_bits", 0.0)
    if not all(isinstance(one, int | float) for one in bits):
        raise TypeError(f"numbers of bits: it has {bits!r}")
    row["bits"] = bits_name(*bits)
    settings = {n.removeprefix("spec."): v for n, v in values.items() if n.startswith("spec.")}
    return row | {name: value for name, value in settings.items() if name not in row}


def where(runs: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The runs that meet all conditions, each `NAME=VALUE` or with `!=`, `<`, `<=`, `>`, `>=`.

    Raises:
        OptionError: an invalid condition, an unknown column, or `<` or `>` with text.

    >>> where(pd.DataFrame({"bits": ["W4A4", "W3A3"], "q": [0.8, 0.5]}), ["q>0.6"])["bits"].tolist()
    ['W4A4']
    """
    for text in conditions:
        match = re.fullmatch(r"\s*([\w.]+)\s*(>=|<=|!=|=|>|<)(.*)", text)
        if match is None:
            raise OptionError(f"condition is {text!r}; expected NAME=VALUE, such as bits=W4A4.")
        name, sign, value = match[1], match[2], match[3].strip()
        if name not in runs:
            raise OptionError(no_column(name, runs))
        runs = runs[_holds(runs[name], sign, value, text)]
    return runs


def no_column(name: str, runs: pd.DataFrame) -> str:
    """The message for an unknown column."""
    return unknown("column", name, runs.columns)


def _holds(column: pd.Series[Any], sign: str, value: str, text: str) -> pd.Series[Any]:
    numbers = pd.to_numeric(column, errors="coerce")
    compared: pd.Series[Any]
    try:
        compared = _SIGNS[sign](numbers, float(value))
    except ValueError:
        if sign not in ("=", "!="):
            raise OptionError(f"condition is {text!r}; expected a number after {sign}.") from None
        compared = _SIGNS[sign](column.astype(str), value)
    return compared
