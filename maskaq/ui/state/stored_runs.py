"""Stored runs: the examples that ship with the library, and runs computed on this server.

Reads files only and does not import torch, so a page can show a stored run at once. The folder of a
run depends only on its settings, so a shared link finds a run that was computed before. Lists of
runs, however, leave out the runs of other visitors.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from maskaq.config import RunSpec
from maskaq.config.components import BACKENDS
from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.models.menu import BUNDLED
from maskaq.results import manifest, store
from maskaq.results.paths import folder_of, identity_text, runs_folder
from maskaq.results.store import Stored

EXAMPLES = Path(__file__).parents[2] / "precomputed" / "examples"
_CACHED = 256  # runs in memory; each takes about 100 kB


def presets(model: str = "", scheme: str = "auto") -> list[Stored]:
    """The runs of a model that ship with the library, or of all; sorted by folder name.

    scheme: of their number formats, as in `QuantOptions`.
    """
    return [run for run in _read_all(_place(scheme)) if model in ("", run.result.spec.model)]


def _place(scheme: str) -> Path:
    """Where runs with a scheme ship. Those that can be exported have their Q, with packed weights,
    and no pictures.
    """
    return EXAMPLES if scheme == "auto" else EXAMPLES.with_name(scheme)


def shipped(run: Stored) -> bool:
    """Whether a run ships with the library."""
    return not {EXAMPLES, _place("integer")}.isdisjoint(run.folder.parents)


def find(spec: RunSpec, owner: str = "") -> Stored | None:
    """The stored result of a run: computed on this server, else shipped; None without either.

    A run on a visitor's own weights or data is found for that visitor only.
    """
    folder = folder_of(spec)
    if (spec.weights or spec.data or spec.class_names) and folder.resolve() not in _finished(owner):
        return None
    if run := _read_or_none(folder):
        return run
    identity = _identity(spec)
    stored = presets(scheme=spec.quantization.scheme)
    return next((run for run in stored if _identity(run.result.spec) == identity), None)


@lru_cache(maxsize=_CACHED)
def _identity(spec: RunSpec) -> str:
    return identity_text(spec)


def listed(owner: str) -> list[Stored]:
    """The runs that a visitor may choose: shipped, own, and those of the command line."""
    mine = [run for folder in _finished(owner) if (run := _read_or_none(folder))]
    return [*presets(), *mine, *_read_all(runs_folder())]


def example(source: str, bits: str = "W4A4", model: str = BUNDLED) -> Stored | None:
    """The shipped run of a source at these bit widths; None without one."""
    for run in presets(model):
        spec = run.result.spec
        if (spec.synthesis.source, spec.quantization.name) == (source, bits):
            return run
    return None


def seconds_for(spec: RunSpec, stored: list[Stored]) -> float | None:
    """The estimated seconds of `spec`, from a stored run with the same model and source.

    A run at the same bits is preferred, since some back-ends learn for longer at few bits. The time
    of the synthesis is proportional to images x steps, that of the evaluation to its images; a
    back-end that does not learn takes almost no time. None if there is no such run.
    """
    for run in sorted(stored, key=lambda one: one.result.spec.quantization != spec.quantization):
        example = run.result.spec
        if (example.model, example.synthesis.source) == (spec.model, spec.synthesis.source):
            old, new = example.synthesis, spec.synthesis
            work = (new.images * new.steps) / max(1, old.images * old.steps)
            evaluated = (spec.eval_images or run.result.evaluated) / run.result.evaluated
            seconds = run.result.seconds
            total = seconds["total"] + (work - 1) * seconds["synthesis"]
            total += (min(1.0, evaluated) - 1) * seconds["evaluation"]
            if BACKENDS[example.fit.backend].learns and not BACKENDS[spec.fit.backend].learns:
                total -= seconds["fit"]
            return float(total)
    return None


def read(folder: Path) -> Stored:
    """Read a run, cached until its manifest changes.

    Raises:
        RunError: the folder contains no run, or a damaged one.
    """
    try:
        changed = (folder / manifest.NAME).stat().st_mtime_ns
    except OSError as error:
        raise RunError(
            f"{folder} contains no run; `python -m maskaq run --out DIR` writes one."
        ) from error
    return _read(folder, changed)


@lru_cache(maxsize=_CACHED)
def _read(folder: Path, changed: int) -> Stored:
    return store.read(folder)


def _read_or_none(folder: Path) -> Stored | None:
    """A run; None if it is missing or damaged, so that the page still works."""
    try:
        return read(folder)
    except RunError:
        return None


def _read_all(folder: Path) -> list[Stored]:
    """The runs directly inside a folder."""
    places = sorted(path.parent for path in folder.glob(f"*/{manifest.NAME}"))
    return [run for place in places if (run := _read_or_none(place))]


def _finished(owner: str) -> list[Path]:
    """The distinct folders of the finished runs of a visitor, oldest first."""
    folders = [
        Path(record.folder).resolve()
        for record in service.runs_of(owner)
        if record.state == "finished" and record.folder
    ]
    return list(dict.fromkeys(folders))
