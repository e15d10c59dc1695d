"""Runs on disk: one folder each, written under a temporary name and renamed when complete.

result.json          spec, accuracies, seconds, per-tensor report
curves.parquet       one row per event with metrics
samples.safetensors  uint8 images [N,3,S,S] and labels [N,..], what P should see in them
samples.png          the first samples on one sheet
evidence.safetensors, frames.webp   see `maskaq.results.artifacts`
q.safetensors        complete state of Q, from which `load_q` rebuilds it
command.txt          the command that repeats the run
log.txt              start of each stage, and problems
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
from maskaq.files import reading
from maskaq.results import artifacts, manifest
from maskaq.results.manifest import Manifest
from maskaq.results.result import RunResult

if TYPE_CHECKING:
    from torch import Tensor

    from maskaq.results.result import Finished

Q_FILE = "q.safetensors"
_CURVES = ["stage", "step", "seconds"]  # columns of every table of curves
_SHEET = 32  # images on the sheet


@dataclass(frozen=True, eq=False)
class Stored:
    """A run on disk, read without torch. Large files are read on first access."""

    folder: Path
    result: RunResult
    curves: pd.DataFrame
    manifest: Manifest

    @property
    def q(self) -> Path | None:
        """The file of Q; None if the run is stored without it."""
        return self.folder / Q_FILE if Q_FILE in self.manifest.files else None

    @cached_property
    def sheet(self) -> Image.Image | None:
        """The first samples on one sheet; None if samples are not stored."""
        return sheet(self.samples["images"][:_SHEET]) if self.samples else None

    @cached_property
    def samples(self) -> dict[str, NDArray[Any]]:
        """`images` uint8 [N,3,S,S] and `labels`, what P should see in them, [N,..]: in
        classification int64 [N]. Empty if they are not stored."""
        name = "samples.safetensors"
        if name not in self.manifest.files:
            return {}
        manifest.verify(self.folder, self.manifest, name)
        path = self.folder / name
        with reading(path, "repeat the run", SafetensorError):
            arrays = dict(load_file(path))
        images, labels = arrays.get("images"), arrays.get("labels")
        if images is None or labels is None or images.dtype != np.uint8 or images.ndim != 4:
            raise RunError(f"{path} does not contain samples; repeat the run.")
        if images.shape[1] != 3 or labels.shape[:1] != images.shape[:1] or not images.size:
            raise RunError(f"{path} has images {images.shape} with labels {labels.shape}.")
        return arrays

    @cached_property
    def evidence(self) -> artifacts.Evidence | None:
        """Predictions and images for figures; None if they are not stored."""
        if stored := {*artifacts.FILES} & {*self.manifest.files}:
            manifest.verify(self.folder, self.manifest, *stored)
        return artifacts.read(self.folder)


def save(finished: Finished, folder: Path) -> None:
    """Write a run; `folder` is created or replaced atomically.

    Raises:
        RunError: the folder exists and is not a run, or cannot be written.
    """
    from safetensors.torch import save_file

    from maskaq.quantization.storage import save_q

    spec, samples = finished.result.spec, finished.samples
    with _atomic(folder) as draft:
        images = {"images": samples.images.contiguous(), "labels": _small(samples.labels)}
        save_file(images, draft / "samples.safetensors")
        sheet(samples.images[:_SHEET].numpy()).save(draft / "samples.png", optimize=True)
        finished.curves.to_parquet(draft / "curves.parquet")
        artifacts.write(finished.evidence, draft)
        q, options = finished.q, spec.quantization
        target = draft / Q_FILE
        save_q(q, target, options=options, backend=spec.fit.backend, model=spec.model)
        (draft / "command.txt").write_text(command_of(spec) + "\n")
        (draft / "log.txt").write_text("".join(f"{line}\n" for line in finished.log))
        (draft / "result.json").write_text(finished.result.to_json() + "\n")
        manifest.seal(draft)


def _small(labels: Tensor) -> Tensor:
    """Class maps in 8 bits; other labels unchanged."""
    maps = labels.ndim > 1 and not labels.is_floating_point()
    return labels.byte() if maps else labels.contiguous()


def files(finished: Finished) -> dict[str, bytes]:
    """The files that `save` writes, by name, to be sent to another process and written there.

    Raises:
        RunError: no temporary folder can be written.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        save(finished, folder)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def write(contents: Mapping[str, bytes], folder: Path) -> None:
    """Write a run from its `files`, without torch; `folder` is created or replaced atomically.

    Raises:
        RunError: as `save`, a name contains a path, or a file has changed in transit.
    """
    for name in contents:
        if Path(name).name != name:
            raise RunError(f"{name!r} is not the name of a file of a run.")
    with _atomic(folder) as draft:
        for name, data in contents.items():
            (draft / name).write_bytes(data)
        manifest.verify(draft, manifest.read(draft))


@contextmanager
def _atomic(folder: Path) -> Iterator[Path]:
    """A temporary folder that replaces `folder` on success and is deleted on an error.

    If the program is killed, an older run is still complete, here or under a hidden name.
    """
    folder = folder.resolve()
    check_target(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            yield draft
            for path in (*draft.iterdir(), draft):
                _sync(path)
            draft.chmod(0o755)  # mkdtemp creates it private
            if folder.exists():  # empty or an older run: see check_target
                older = draft.with_name(draft.name + ".older")
                os.replace(folder, older)
                os.replace(draft, folder)
                shutil.rmtree(older)
            else:
                os.replace(draft, folder)
            _sync(folder.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except (OSError, SafetensorError, ArrowException) as error:  # a full disk raises any of them
        raise RunError(f"{folder} cannot be written ({error}); choose another --out.") from error


def _sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_target(folder: Path) -> None:
    """Check before a run starts that it may be stored in a folder.

    Raises:
        RunError: it is a file, or a folder whose contents are not a run.
    """
    if folder.is_file():
        raise RunError(f"{folder} is a file, not a folder; choose another --out.")
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if names and not names & {"result.json", manifest.NAME}:
        raise RunError(f"{folder} contains files that are not a run; choose another --out.")


def read(folder: Path) -> Stored:
    """Read a run's result and curves.

    Raises:
        RunError: the run does not exist or is damaged.
    """
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder; `python -m maskaq run --out DIR` writes a run.")
    contents = manifest.read(folder)
    manifest.verify(folder, contents, "result.json", "curves.parquet")
    with reading(folder, "repeat the run", ArrowException):
        text = (folder / "result.json").read_text()
        curves = pd.read_parquet(folder / "curves.parquet")
    if curves.empty:  # a run without optimisation stores neither rows nor columns
        curves = pd.DataFrame(columns=_CURVES)
    if missing := set(_CURVES) - set(curves):
        raise RunError(f"{folder}/curves.parquet has no {', '.join(sorted(missing))}.")
    return Stored(folder, RunResult.from_json(text), curves, contents)
