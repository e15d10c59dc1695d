"""Stored runs: the examples that ship with the library, and what was computed here before.

Reads files only; torch is not imported, so a page can draw a stored run at once.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.config import RunSpec, to_json
from maskaq.errors import RunError

if TYPE_CHECKING:
    from maskaq.events import Event
    from maskaq.runs.store import Stored

EXAMPLES = Path(__file__).parents[1] / "examples"


def runs_folder() -> Path:
    """Where the app keeps what it computed: `$MASKAQ_RUNS`, or `runs` beside where it started."""
    return Path(os.environ.get("MASKAQ_RUNS", "runs"))


def folder_of(spec: RunSpec) -> Path:
    """The folder of one run, named by a hash of all its settings."""
    name = hashlib.sha256(to_json(spec).encode()).hexdigest()[:16]
    return runs_folder() / name


def examples() -> list[Stored]:
    """The runs that ship with the library, in order of their folders' names."""
    from maskaq.runs import store

    return [store.read(path.parent) for path in sorted(EXAMPLES.glob("*/result.json"))]


def closest(stored: list[Stored], bits: str) -> Stored | None:
    """The stored run with these bits, else the first one, else None."""
    same = [run for run in stored if run.result.spec.quantization.name == bits]
    return next(iter(same or stored), None)


def find(spec: RunSpec) -> Stored | None:
    """What is known of a run: computed here before, or shipped; None if neither."""
    from maskaq.runs import store

    folder = folder_of(spec)
    if (folder / "result.json").exists():
        return store.read(folder)
    return next((run for run in examples() if run.result.spec == spec), None)


def compute(spec: RunSpec) -> Iterator[Event | Stored]:
    """Run, store and read back: a live result reaches the page the way a stored one does.

    Raises:
        RunError: the folder for the result cannot be written; known before the work begins.
    """
    place = runs_folder()
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise RunError(
            f"{place} cannot be written ({error.strerror}); set MASKAQ_RUNS to a folder that can."
        ) from error

    from maskaq.runs import runner, store

    for item in runner.run(spec):
        if isinstance(item, runner.Finished):
            store.save(item, folder_of(spec))
            yield store.read(folder_of(spec))
        else:
            yield item


def seconds_for(spec: RunSpec, stored: list[Stored]) -> float | None:
    """Seconds that `spec` may take, judged by a stored run of the same model and source.

    Synthesis costs in proportion to images x steps; the other stages are taken as they were.
    None if there is no such run.
    """
    for run in stored:
        known = run.result.spec
        if (known.model, known.synthesis.source) == (spec.model, spec.synthesis.source):
            then, now = known.synthesis, spec.synthesis
            work = (now.images * now.steps) / max(1, then.images * then.steps)
            seconds = run.result.seconds
            return float(seconds["total"] + (work - 1) * seconds["synthesis"])
    return None
