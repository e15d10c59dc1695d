"""Runs on disk: one folder each, written under another name and renamed when it is complete.

result.json          spec, accuracies, seconds, per-tensor report
curves.parquet       one row per event with metrics
samples.safetensors  uint8 images [N,3,S,S] and int64 labels [N]
samples.png          the first of them on one sheet
evidence.safetensors, frames.webp   see `maskaq.results.artifacts`
q.safetensors        Q's whole state; `load_q` rebuilds Q from it
command.txt          the command that repeats the run
log.txt              when each stage began, and what went wrong on the way
manifest.json        see `maskaq.results.manifest`
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from pyarrow import ArrowException
from safetensors import SafetensorError
from safetensors.numpy import load_file

from maskaq.config.overrides import command_of
from maskaq.data.sheet import sheet
from maskaq.errors import RunError
from maskaq.results import artifacts, manifest
from maskaq.results.manifest import Manifest
from maskaq.results.result import RunResult

if TYPE_CHECKING:
    from maskaq.results.finished import Finished

_SHEET = 32  # images on the sheet


@dataclass(frozen=True, eq=False)
class Stored:
    """A run as it lies on disk, read without torch; what is large only when it is asked for."""

    folder: Path
    result: RunResult
    curves: pd.DataFrame
    manifest: Manifest

    @cached_property
    def sheet(self) -> Image.Image | None:
        """The first samples on one sheet; None where samples were not kept."""
        return sheet(self.samples["images"][:_SHEET]) if self.samples else None

    @cached_property
    def samples(self) -> dict[str, NDArray[Any]]:
        """`images` uint8 [N,3,S,S] and `labels` int64 [N]; empty where they were not kept."""
        name = "samples.safetensors"
        if name not in self.manifest.files:
            return {}
        manifest.verify(self.folder, self.manifest, name)
        path = self.folder / name
        try:
            found = dict(load_file(path))
        except (SafetensorError, OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read ({error}); repeat the run.") from error
        images, labels = found.get("images"), found.get("labels")
        if images is None or labels is None or images.dtype != np.uint8 or images.ndim != 4:
            raise RunError(f"{path} holds no samples; repeat the run.")
        if images.shape[1] != 3 or labels.shape != images.shape[:1] or not images.size:
            raise RunError(f"{path} has images {images.shape} with labels {labels.shape}.")
        return found

    @cached_property
    def evidence(self) -> artifacts.Evidence | None:
        """What the run keeps for the eye; None for a run without."""
        if kept := {*artifacts.FILES} & {*self.manifest.files}:
            manifest.verify(self.folder, self.manifest, *kept)
        return artifacts.read(self.folder)


def save(finished: Finished, folder: Path) -> None:
    """Write a run; `folder` appears whole or not at all.

    Raises:
        RunError: the folder exists and holds something that is not a run, or cannot be written.
    """
    from safetensors.torch import save_file

    from maskaq.quantization.storage import save_q

    spec, samples = finished.result.spec, finished.samples
    with _whole(folder) as draft:
        images = {"images": samples.images.contiguous(), "labels": samples.labels}
        save_file(images, draft / "samples.safetensors")
        sheet(samples.images[:_SHEET].numpy()).save(draft / "samples.png", optimize=True)
        finished.curves.to_parquet(draft / "curves.parquet")
        artifacts.write(finished.evidence, draft)
        q, options = finished.q, spec.quantization
        target = draft / "q.safetensors"
        save_q(q, target, options=options, backend=spec.fit.backend, model=spec.model)
        (draft / "command.txt").write_text(command_of(spec) + "\n")
        (draft / "log.txt").write_text("".join(f"{line}\n" for line in finished.log))
        (draft / "result.json").write_text(finished.result.to_json() + "\n")
        manifest.seal(draft)


def files(finished: Finished) -> dict[str, bytes]:
    """What `save` writes, by file name: to be sent to another process and written there.

    Raises:
        RunError: no temporary folder can be written.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        save(finished, folder)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write a run from its `files`, without torch; `folder` appears whole or not at all.

    Raises:
        RunError: as `save`, a name that is more than the name of a file, or contents that were
            damaged on the way.
    """
    for name in contents:
        if Path(name).name != name:
            raise RunError(f"{name!r} is no name of a file of a run.")
    with _whole(folder) as draft:
        for name, data in contents.items():
            (draft / name).write_bytes(data)
        manifest.verify(draft, manifest.read(draft))


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """A folder to write a run to; it becomes `folder` if nothing goes wrong, else it goes.

    Whenever the program is killed, an older run is still whole, here or under a name with a dot.
    """
    folder = folder.resolve()
    check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield draft
            for path in (*draft.iterdir(), draft):
                _to_disk(path)
            draft.chmod(0o755)  # mkdtemp makes it private
            if folder.exists():  # an empty folder or an older run, as check_target has made sure
                older = draft.with_name(draft.name + ".older")
                os.replace(folder, older)
                os.replace(draft, folder)
                shutil.rmtree(older)
            else:
                os.replace(draft, folder)
            _to_disk(folder.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, SafetensorError, ArrowException) as error:  # of a full disk, all three
        raise RunError(f"{folder} cannot be written ({error}); choose another --out.") from error


def _to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, have reached the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def check_target(folder: Path) -> None:
    """Refuse to write a run where something else lies; known before the work begins.

    Raises:
        RunError: a file, or a folder with contents of which none is a run's.
    """
    if folder.is_file():
        raise RunError(f"{folder} is a file; a run needs a folder. Choose another --out.")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not names & {"result.json", manifest.NAME}:
        raise RunError(f"{folder} holds something that is not a run; choose another --out.")


def read(folder: Path) -> Stored:
    """Read a run's result and curves.

    Raises:
        RunError: there is no run, or it is damaged.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is no folder; `python -m maskaq run --out DIR` writes a run.")
    known = manifest.read(folder)
    manifest.verify(folder, known, "result.json", "curves.parquet")
    try:
        text = (folder / "result.json").read_text()
        curves = pd.read_parquet(folder / "curves.parquet")
    except (OSError, ValueError, KeyError, TypeError, ArrowException) as error:
        raise RunError(f"{folder} cannot be read ({error}); repeat the run.") from error
    missing = {"stage", "step", "seconds"} - set(curves)
    if missing and not curves.empty:  # a run that optimises nothing has no rows, nor columns
        raise RunError(f"{folder}/curves.parquet lacks {', '.join(sorted(missing))}.")
    return Stored(folder, RunResult.from_json(text), curves, known)
