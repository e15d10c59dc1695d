"""The error of a failed run, in a JSON file beside the folder intended for the run."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from maskaq.config import RunSpec
from maskaq.files import atomic_write


def path_of(folder: Path) -> Path:
    """The file that belongs to a run's folder."""
    return folder.with_name(f"{folder.name}.failed.json")


def write(folder: Path, spec: RunSpec, error: Mapping[str, Any], tries: int) -> None:
    """Record an error; on a full disk the record is lost.

    Args:
        error: with `kind`, `message` and `traceback`. tries: number of attempts.
    """
    values = {
        **{name: error[name] for name in ("kind", "message", "traceback")},
        "tries": tries,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec": asdict(spec),
    }
    path = path_of(folder)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(values, indent=1))


def clear(folder: Path) -> None:
    """Remove the file, because the run has succeeded."""
    with suppress(OSError):
        path_of(folder).unlink(missing_ok=True)
