"""The manifest of a run's folder: schema, size and SHA-256 of every file, and a summary.

The manifest is written last, so a folder without one is incomplete. Sizes are checked whenever a
folder is opened, checksums when a file is read. The summary is the result without the per-tensor
report, so that thousands of runs can be listed without opening other files.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maskaq.errors import RunError
from maskaq.files import sha256
from maskaq.results.result import SCHEMA

NAME = "manifest.json"
_LARGEST = 4 << 20  # bytes that are read; a manifest has a few thousand


@dataclass(frozen=True)
class FileNote:
    """Size and checksum of a file when it was written. sha256: hexadecimal."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """Contents of a manifest.

    files: by name. summary: `RunResult` as plain values, without the per-tensor report.
    """

    files: Mapping[str, FileNote]
    summary: Mapping[str, Any]


def seal(folder: Path) -> None:
    """Write the manifest of the files in a folder."""
    summary = json.loads((folder / "result.json").read_bytes())
    del summary["tensors"]
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.iterdir())
        if path.name != NAME
    }
    text = json.dumps({"schema": SCHEMA, "files": files, "summary": summary}, indent=1)
    (folder / NAME).write_text(text + "\n")


def read(folder: Path) -> Manifest:
    """Read a manifest and check that every file exists and has its recorded size.

    Raises:
        RunError: it is missing, damaged or from a newer maskaq, or a file is missing or has another
            size.
    """
    try:
        with (folder / NAME).open("rb") as file:
            values = json.loads(file.read(_LARGEST))
        if values["schema"] > SCHEMA:
            raise RunError(
                f"{folder} has schema {values['schema']}, this maskaq reads up to {SCHEMA}: "
                "update maskaq (pip install --upgrade maskaq)."
            )
        notes = {str(name): FileNote(**note) for name, note in values["files"].items()}
        contents = Manifest(notes, dict(values["summary"]))
    except FileNotFoundError as error:
        raise RunError(_damaged(folder, f"it has no {NAME}, so it was never completed")) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"its {NAME} cannot be read ({type(error).__name__}: {error})"
        raise RunError(_damaged(folder, why)) from error
    if why := _check_sizes(folder, contents):
        raise RunError(_damaged(folder, why))
    return contents


def verify(folder: Path, manifest: Manifest, *names: str) -> None:
    """Verify the checksums of files, by default all.

    Raises:
        RunError: a checksum differs, or a file cannot be read.
    """
    for name in names or manifest.files:
        note = manifest.files.get(name)
        try:
            if note is None or sha256(folder / name) != note.sha256:
                why = f"{name} has changed since it was written (its SHA-256 differs)"
                raise RunError(_damaged(folder, why))
        except OSError as error:
            raise RunError(_damaged(folder, f"{name} cannot be read ({error})")) from error


def _check_sizes(folder: Path, manifest: Manifest) -> str:
    """What is wrong with the names and sizes of the files; empty if nothing is."""
    if "result.json" not in manifest.files:
        return f"its {NAME} does not list result.json"
    with os.scandir(folder) as entries:
        sizes = {entry.name: entry.stat().st_size for entry in entries}
    for name, note in manifest.files.items():
        if name not in sizes:
            return f"{name} is missing"
        if sizes[name] != note.bytes:
            return f"{name} has {sizes[name]} bytes where {note.bytes} were written"
    return ""


def _damaged(folder: Path, why: str) -> str:
    return (
        f"{folder} does not contain a complete run: {why}. Repeat the run, or delete the folder "
        f"with `python -m maskaq runs delete {folder}`."
    )
