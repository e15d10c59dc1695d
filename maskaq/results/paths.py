"""Folders of stored runs, named by the identity of the run, so that a run is found again.

The identity consists of the settings that differ from the method's preset
(`maskaq.config.overrides.identity_of`). A folder that an older version named is found by its
contents.
"""

import hashlib
import itertools
import json
import os
import tempfile
from functools import lru_cache
from pathlib import Path

from maskaq.config.overrides import identity_of
from maskaq.config.run_spec import RunSpec
from maskaq.errors import OptionError, RunError
from maskaq.files import stamp
from maskaq.results import manifest
from maskaq.results.result import stored_spec


def runs_folder() -> Path:
    """All runs of this server: `$MASKAQ_RUNS`, or `runs` in the working directory."""
    return Path(os.environ.get("MASKAQ_RUNS", "runs"))


def app_folder() -> Path:
    """The runs of the app; runs of the command line may be beside this folder."""
    return runs_folder() / "app"


def identity_text(spec: RunSpec) -> str:
    """The identity of a run as text: equal for equal runs, and different for all others.

    Raises:
        OptionError: unknown method, source or back-end.
    """
    return json.dumps(identity_of(spec), sort_keys=True)


def name_of(spec: RunSpec) -> str:
    """The name of a run's folder: 16 hexadecimal digits."""
    return hashlib.sha256(identity_text(spec).encode()).hexdigest()[:16]


def folder_of(spec: RunSpec, root: Path | None = None) -> Path:
    """The folder where a run is stored or, if it is not, will be stored.

    Different runs never share a folder, even if a preset has changed between them.

    Args:
        root: folder of runs; by default that of the app.
    """
    root = root or app_folder()
    stored = _by_identity(root, stamp(root)).get(identity_text(spec))
    if stored is not None and (root / stored / manifest.NAME).is_file():
        return root / stored
    name = name_of(spec)
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(root / free for free in names if not _holds_another(root / free, spec))


def _holds_another(folder: Path, spec: RunSpec) -> bool:
    identity = _identity_in(folder, stamp(folder / manifest.NAME))
    return identity is not None and identity != identity_text(spec)


@lru_cache(maxsize=8)
def _by_identity(root: Path, changed: object) -> dict[str, str]:
    """Names of the folders in `root` by the identity of the run in each."""
    if not root.is_dir():
        return {}
    names = {}
    for folder in sorted(path for path in root.iterdir() if not path.name.startswith(".")):
        identity = _identity_in(folder, stamp(folder / manifest.NAME))
        if identity is not None:
            names[identity] = folder.name
    return names


@lru_cache(maxsize=10_000)
def _identity_in(folder: Path, changed: object) -> str | None:
    """The identity of the run in a folder; None if it cannot be read."""
    if changed is None:
        return None
    try:
        return identity_text(stored_spec(manifest.read(folder).summary["spec"]))
    except (OptionError, RunError, KeyError, TypeError, ValueError, AttributeError):
        return None


def check_writable() -> None:
    """Create the folder of runs and write to it, to detect a read-only or missing disk early.

    Raises:
        RunError: it cannot be created or written.
    """
    place = runs_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise RunError(
            f"{place} cannot be written ({error.strerror}); set MASKAQ_RUNS to a writable folder."
        ) from error
