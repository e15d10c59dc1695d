"""Files of a run that a worker on another machine does not have: weights, and folders of images.

They are sent once per worker and unpacked into its temporary folder under a hash of their contents.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from maskaq.config import RunSpec
from maskaq.errors import RunError

__all__ = ["FIELDS", "Parcel", "pack", "resolved"]

FIELDS = ("weights", "data")  # of a spec, that name files
_MOST = 1 << 30  # bytes
Parcel = dict[str, Any]  # name: of the file or folder; digest; files: bytes by relative path


def pack(path: Path) -> Parcel:
    """A file, or a folder with all below it.

    Raises:
        RunError: it is not there, or larger than 1 GiB.
    """
    if not path.exists():
        raise RunError(f"{path} is not there, so it cannot be sent to the workers.")
    inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    size = sum(one.stat().st_size for one in inside)
    if size > _MOST:
        raise RunError(
            f"{path} has {size / 2**30:.1f} GiB, more than the 1 GiB that is sent to workers; put "
            "it on every machine and run the sweep with a scheduler of your own there."
        )
    top = path if path.is_dir() else path.parent
    files = {one.relative_to(top).as_posix(): one.read_bytes() for one in inside}
    return {"name": path.name, "digest": _digest(files), "files": files}


def resolved(spec: RunSpec, parcels: Mapping[str, Parcel]) -> RunSpec:
    """The spec with the paths of unpacked parcels in place of its own, by `FIELDS`.

    Raises:
        RunError: a parcel was damaged on the way, or has names that lead elsewhere.
    """
    paths: dict[str, Any] = {name: str(_unpack(parcel)) for name, parcel in parcels.items()}
    return replace(spec, **paths)


def _unpack(parcel: Parcel) -> Path:
    own, digest = str(parcel["name"]), str(parcel["digest"])
    files: Mapping[str, bytes] = parcel["files"]
    _check(own, files)
    if _digest(files) != digest:
        raise RunError(f"{own} was damaged on its way to the worker.")
    target = Path(tempfile.gettempdir()) / f"maskaq-inputs-{os.getuid()}" / digest
    if not target.is_dir():
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=target.parent))
        for name, data in files.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_bytes(data)
        try:
            os.replace(draft, target)
        except OSError:  # another process was faster
            shutil.rmtree(draft, ignore_errors=True)
    return target / own if list(files) == [own] else target


def _check(name: str, files: Iterable[str]) -> None:
    for one in (name, *files):
        path = PurePosixPath(one)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in one:
            raise RunError(f"{one!r} is no name of a file in a parcel.")


def _digest(files: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, data in sorted(files.items()):
        for part in (name.encode(), data):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()
