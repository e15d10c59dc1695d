"""What tables of many runs share: a cell that is there is not run again, samples are drawn once.

A cell keeps its result as one JSON file and nothing else: the Q of a whole table would take
gigabytes. Samples lie beside the cells and serve all that differ in nothing but how Q is fitted.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from maskaq import checkpoints
from maskaq.checkpoints import State
from maskaq.config import RunSpec
from maskaq.config.sample_key import drawing_key, judged
from maskaq.errors import RunError
from maskaq.events import Event
from maskaq.files import atomic_write
from maskaq.results.result import RunResult
from maskaq.runs.context import Ground
from maskaq.runs.execute import execute
from maskaq.runs.keeping import as_state, samples_of
from maskaq.runs.runner import draw
from maskaq.synthesis.loop import Samples


class Drawn(NamedTuple):
    """Samples, and the seconds that drawing them took."""

    samples: Samples
    seconds: float


class Cells:
    """The cells of a table in a folder.

    `result` runs what is not there; `stored` only looks. Runs that follow each other and differ in
    nothing but source, bits and back-end load their model and images once and ask P once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ground: tuple[RunSpec, Ground] | None = None
        self._drawn: tuple[Path, Drawn] | None = None

    def stored(self, name: str, spec: RunSpec) -> RunResult | None:
        """The result of this very spec; None if there is none or it is of another spec."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            result = RunResult.from_json(path.read_text())
        except RunError:
            return None  # of a program that was stopped or is no longer this one
        return result if result.spec == spec else None

    def result(self, name: str, spec: RunSpec, drawn_by: RunSpec | None = None) -> RunResult:
        """The stored result, or that of a run.

        Its seconds for synthesis are those of the samples, which other cells may share.

        Args:
            drawn_by: a spec whose samples to take; by default those of `spec` itself.
        """
        if found := self.stored(name, spec):
            return found
        ground = self._ground_of(spec)
        drawn = self._samples(drawn_by or spec, ground)
        result = execute(spec, samples=drawn.samples, ground=ground).result
        seconds = dict(result.seconds) | {"synthesis": drawn.seconds}
        seconds["total"] = sum(taken for stage, taken in seconds.items() if stage != "total")
        result = replace(result, seconds=seconds)
        _put(self.folder / f"{name}.json", result.to_json().encode())
        return result

    def _ground_of(self, spec: RunSpec) -> Ground:
        key = judged(spec)
        if self._ground is None or self._ground[0] != key:
            self._ground = key, Ground.of(key)
        return self._ground[1]

    def _samples(self, spec: RunSpec, ground: Ground) -> Drawn:
        path = self.folder / "samples" / sample_name(spec)
        if self._drawn is None or self._drawn[0] != path:
            if not path.is_file():
                _write(draw_samples(spec, ground), path)
            self._drawn = path, _read(path)
        return self._drawn[1]


def draw_samples(spec: RunSpec, ground: Ground) -> Drawn:
    """Draw the samples of a spec, with a bar on standard error."""
    began = time.perf_counter()
    with tqdm(desc=f"samples of {spec.synthesis.source}", mininterval=1) as bar:
        for item in draw(spec, ground):
            if isinstance(item, Event):
                bar.total = item.total
                bar.update()
            else:
                return Drawn(item, round(time.perf_counter() - began, 3))
    raise AssertionError("a drawing ends with its samples")


def sample_name(spec: RunSpec) -> str:
    """The file of a spec's samples, the same for all specs that draw the same samples."""
    digest = drawing_key(spec)[:12]
    return f"{spec.model}_{spec.synthesis.source}_{spec.seed}_{digest}.safetensors"


def _write(drawn: Drawn, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    state = as_state(drawn.samples)
    checkpoints.write(path, State(state.tensors, {**state.notes, "seconds": drawn.seconds}))


def _read(path: Path) -> Drawn:
    state = checkpoints.read(path)
    return Drawn(samples_of(state), state.notes["seconds"])


def _put(path: Path, data: bytes) -> None:
    """A file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_bytes(data)
