"""Sends files of a run, weights and image folders, to workers on other machines.

They are sent once per worker and unpacked in its temporary folder under a hash of their contents.
"""

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
from maskaq.files import split_key
from maskaq.models.menu import TRANSFORMERS, transformers_place

_FIELDS = ("weights", "data", "class_names")  # of a spec that hold paths
_MOST = 1 << 30  # bytes
Parcel = dict[str, Any]  # name: of the file or folder; digest; files: bytes by relative path


def paths_of(spec: RunSpec) -> dict[str, str]:
    """The files and folders of a run, by the field that names them.

    The folder of a model of transformers is among them; a repository of the hub is not.
    """
    found = {name: getattr(spec, name) for name in _FIELDS if getattr(spec, name)}
    place = transformers_place(spec.model)
    return found | ({"model": place} if os.path.isdir(place) else {})


def pack(place: str | Path, field: str = "weights") -> Parcel:
    """Read a file, or a folder with everything in it.

    Of weights, the index of several files (JSON) is sent with its folder, and what follows a `#`,
    the model to take from a file of several, is not part of the path.

    Args:
        field: of the spec that names it.

    Raises:
        RunError: it does not exist, or is larger than 1 GiB.
    """
    path = Path(place)
    if field == "weights":
        path, _ = split_key(place)
        path = path.parent if path.suffix == ".json" else path
    if not path.exists():
        raise RunError(f"{path} does not exist, so it cannot be sent to the workers.")
    inside = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    size = sum(one.stat().st_size for one in inside)
    if size > _MOST:
        raise RunError(
            f"{path} has {size / 2**30:.1f} GiB, more than the 1 GiB that is sent to workers; copy "
            "it to every machine and start the sweep there."
        )
    top = path if path.is_dir() else path.parent
    files = {one.relative_to(top).as_posix(): one.read_bytes() for one in inside}
    return {"name": path.name, "digest": _digest(files), "files": files}


def resolved(spec: RunSpec, parcels: Mapping[str, Parcel]) -> RunSpec:
    """The spec with its paths replaced by those of unpacked parcels, keyed as in `paths_of`.

    Raises:
        RunError: a parcel is damaged, or has names that point outside its folder.
    """
    paths: dict[str, Any] = {}
    for name, parcel in parcels.items():
        key = split_key(spec.weights)[1] if name == "weights" else ""
        prefix = TRANSFORMERS if name == "model" else ""
        paths[name] = f"{prefix}{_unpack(parcel)}{'#' if key else ''}{key}"
    return replace(spec, **paths)


def _unpack(parcel: Parcel) -> Path:
    own, digest = str(parcel["name"]), str(parcel["digest"])
    files: Mapping[str, bytes] = parcel["files"]
    _check(own, files)
    if _digest(files) != digest:
        raise RunError(f"{own} was damaged on the way to the worker.")
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
            raise RunError(f"{one!r} is not a valid file name in a parcel.")


def _digest(files: Mapping[str, bytes]) -> str:
    found = hashlib.sha256()
    for name, data in sorted(files.items()):
        for part in (name.encode(), data):
            found.update(len(part).to_bytes(8, "big") + part)
    return found.hexdigest()
