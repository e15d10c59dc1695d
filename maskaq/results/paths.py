"""Where the app keeps what it computes. One folder per run, named by a hash of its settings, so
that the same question finds the same answer again."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from maskaq.config import RunSpec
from maskaq.config.parsing import to_json
from maskaq.errors import RunError


def runs_folder() -> Path:
    """All runs of this server: `$MASKAQ_RUNS`, or `runs` beside where it started."""
    return Path(os.environ.get("MASKAQ_RUNS", "runs"))


def app_folder() -> Path:
    """Runs of the app, apart from those that the command line was told to put beside them."""
    return runs_folder() / "app"


def folder_of(spec: RunSpec) -> Path:
    """The folder of one run of the app."""
    return app_folder() / name_of(spec)


def name_of(spec: RunSpec) -> str:
    """The name of a run's folder, the same for equal settings and for no others."""
    return hashlib.sha256(to_json(spec).encode()).hexdigest()[:16]


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Changes whenever a file is written; None if there is none."""
    try:
        known = os.stat(path)
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size


def check_writable() -> None:
    """Make the folder for runs and try it, so that a full disk is known before the work begins.

    Raises:
        RunError: it cannot be made or written.
    """
    place = runs_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise RunError(
            f"{place} cannot be written ({error.strerror}); set MASKAQ_RUNS to a folder that can."
        ) from error
