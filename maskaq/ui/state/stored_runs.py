"""Stored runs: the examples that ship with the library, and what was computed here.

Reads files only; torch is not imported, so a page can draw a stored run at once. Where a run of
the app is kept is decided by its settings alone, so a copied link finds what was computed before.
Lists, though, show a visitor the runs of that visitor only.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.config import RunSpec
from maskaq.config.components import BACKENDS
from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.results import manifest, store
from maskaq.results.paths import folder_of, identity_text, runs_folder
from maskaq.results.store import Stored

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

EXAMPLES = Path(__file__).parents[2] / "precomputed" / "examples"
_KEPT = 256  # runs in memory; each takes about 100 kB


def presets() -> list[Stored]:
    """The runs that ship with the library, in order of their folders' names."""
    return _read_all(EXAMPLES)


def shipped(run: Stored) -> bool:
    """Whether a run came with the library."""
    return EXAMPLES in run.folder.parents


def find(spec: RunSpec, owner: str = "") -> Stored | None:
    """What is known of a run: computed here before, or shipped; None if neither.

    A run on somebody's own files is found by its owner alone.
    """
    folder = folder_of(spec)
    if (spec.weights or spec.data) and folder.resolve() not in _finished(owner):
        return None
    if found := _try(folder):
        return found
    wanted = identity_text(spec)
    return next((run for run in presets() if identity_text(run.result.spec) == wanted), None)


def listed(owner: str) -> list[Stored]:
    """What a visitor may choose from: shipped runs, the own ones, those of the command line."""
    mine = [run for folder in _finished(owner) if (run := _try(folder))]
    return [*presets(), *mine, *_read_all(runs_folder())]


def closest(choice: Choice, source: str = "maskaq") -> Stored | None:
    """The shipped run of this source that comes nearest to the chosen bits; None without any."""

    def distance(run: Stored) -> tuple[bool, int, int]:
        spec = run.result.spec
        bits = spec.quantization
        apart = abs(bits.weight_bits - choice.weight_bits)
        apart += abs(bits.activation_bits - choice.activation_bits)
        return spec.synthesis.source != source, apart, bits.weight_bits

    return min(presets(), key=distance, default=None)


def seconds_for(spec: RunSpec, stored: list[Stored]) -> float | None:
    """Seconds that `spec` may take, judged by a stored run of the same model and source.

    One at the same bits is preferred: at few bits some back-ends learn for longer. Synthesis costs
    in proportion to images x steps, the evaluation to its images; a back-end that does not learn
    costs next to nothing. None if there is no such run.
    """
    for run in sorted(stored, key=lambda one: one.result.spec.quantization != spec.quantization):
        known = run.result.spec
        if (known.model, known.synthesis.source) == (spec.model, spec.synthesis.source):
            then, now = known.synthesis, spec.synthesis
            work = (now.images * now.steps) / max(1, then.images * then.steps)
            tested = (spec.eval_images or run.result.evaluated) / run.result.evaluated
            seconds = run.result.seconds
            total = seconds["total"] + (work - 1) * seconds["synthesis"]
            total += (min(1.0, tested) - 1) * seconds["evaluation"]
            if BACKENDS[known.fit.backend].learns and not BACKENDS[spec.fit.backend].learns:
                total -= seconds["fit"]
            return float(total)
    return None


def read(folder: Path) -> Stored:
    """Read a run, or take it from memory if its files are still the same.

    Raises:
        RunError: there is no run, or it is damaged.
    """
    try:
        changed = (folder / manifest.NAME).stat().st_mtime_ns
    except OSError as error:
        raise RunError(
            f"{folder} holds no run; `python -m maskaq run --out DIR` writes one."
        ) from error
    return _read(folder, changed)


@lru_cache(maxsize=_KEPT)
def _read(folder: Path, changed: int) -> Stored:
    return store.read(folder)


def _try(folder: Path) -> Stored | None:
    """A run; None without one, or with a damaged one, which must not take the page with it."""
    try:
        return read(folder)
    except RunError:
        return None


def _read_all(folder: Path) -> list[Stored]:
    """The runs that lie in a folder, but not deeper."""
    places = sorted(path.parent for path in folder.glob(f"*/{manifest.NAME}"))
    return [run for place in places if (run := _try(place))]


def _finished(owner: str) -> list[Path]:
    """Folders of the finished runs of one visitor, oldest first, each once."""
    folders = [
        Path(record.folder).resolve()
        for record in service.runs_of(owner)
        if record.state == "finished" and record.folder
    ]
    return list(dict.fromkeys(folders))
