"""Export of stored runs: complete folders as a zip, or a table with a row per run."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from maskaq.errors import OptionError, RunError
from maskaq.files import atomic_write
from maskaq.results import listing
from maskaq.results.listing import Entry

_ENDINGS = (".csv", ".json", ".parquet", ".zip")


def export(runs: Sequence[Entry], target: Path) -> None:
    """Write runs to `target`, atomically, in the format of its suffix.

    .zip: the folders with all their files. .csv, .json, .parquet: a row per run with all columns.

    Raises:
        OptionError: another suffix.
        RunError: two runs have the same name, a run is not complete, or the file cannot be written.
    """
    if target.suffix not in _ENDINGS:
        raise OptionError(f"{target} ends with {target.suffix!r}; allowed: {', '.join(_ENDINGS)}.")
    for entry in runs:
        if entry.state != listing.WHOLE:
            raise RunError(f"{entry.folder} is {entry.state}: {entry.problem}")
    try:
        with atomic_write(target) as draft:
            if target.suffix == ".zip":
                _zip(runs, draft)
            else:
                _rows(runs, draft, target.suffix)
    except OSError as error:
        raise RunError(f"{target} cannot be written ({error}); choose another file.") from error


def _zip(runs: Sequence[Entry], target: Path) -> None:
    names = [entry.folder.resolve().name for entry in runs]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise RunError(
            f"two runs are named {', '.join(sorted(repeated))}; rename one or export it separately."
        )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, entry in zip(names, runs, strict=True):
            for path in sorted(entry.folder.iterdir()):
                archive.write(path, f"{name}/{path.name}")


def _rows(runs: Sequence[Entry], target: Path, ending: str) -> None:
    table = pd.concat([listing.rows([entry], entry.folder.parent) for entry in runs])
    if ending == ".csv":
        table.to_csv(target, index=False)
    elif ending == ".json":
        table.to_json(target, orient="records", indent=2)
    else:
        table.to_parquet(target)
