"""Cached runs for tables of many runs: finished cells are not run again, samples are shared.

A cell stores its result as one JSON file and nothing else: the Q of a whole table would take
gigabytes. Samples are stored beside the cells and shared by all cells that only differ in how Q is
fitted.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from maskaq import checkpoints
from maskaq.config import RunSpec
from maskaq.config.sample_key import sample_key
from maskaq.errors import RunError
from maskaq.events import Event
from maskaq.files import atomic_write
from maskaq.results.result import RunResult
from maskaq.runs.cache import context_of
from maskaq.runs.context import RunContext
from maskaq.runs.execute import execute
from maskaq.runs.runner import synthesize
from maskaq.synthesis.loop import Samples


def with_arguments(spec: RunSpec, args: argparse.Namespace, seed: int, **changes: Any) -> RunSpec:
    """The spec with the model and the images that the arguments of a table name.

    changes: of further fields.
    """
    return replace(
        spec,
        model=args.model,
        weights=args.weights,
        data=args.data,
        eval_images=args.eval_images,
        seed=seed,
        **changes,
    )


class TimedSamples(NamedTuple):
    """Samples, and the seconds that it took to make them."""

    samples: Samples
    seconds: float


class Cells:
    """The cells of a table in a folder.

    `result` runs a missing cell; `stored` never does. Consecutive runs that only differ in source,
    bits and back-end load model and images once and evaluate P once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._timed: tuple[Path, TimedSamples] | None = None

    def stored(self, name: str, spec: RunSpec) -> RunResult | None:
        """The stored result of exactly this spec; None if there is none."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            return None
        try:
            result = RunResult.from_json(path.read_text())
        except RunError:
            return None  # incomplete, or written by an incompatible version
        return result if result.spec == spec else None

    def result(self, name: str, spec: RunSpec, samples_of: RunSpec | None = None) -> RunResult:
        """The stored result, or that of a new run.

        Its seconds for synthesis are those of the samples, which other cells may share.

        Args:
            samples_of: the spec whose samples to use, as many as `spec` has; by default `spec`.
        """
        if result := self.stored(name, spec):
            return result
        context = context_of(spec)
        timed = self._samples(samples_of or spec, context)
        samples, share = _first(timed.samples, spec.synthesis.images)
        result = execute(spec, samples=samples, context=context).result
        seconds = dict(result.seconds) | {"synthesis": round(timed.seconds * share, 3)}
        seconds["total"] = sum(value for stage, value in seconds.items() if stage != "total")
        result = replace(result, seconds=seconds)
        _put(self.folder / f"{name}.json", result.to_json().encode())
        return result

    def _samples(self, spec: RunSpec, context: RunContext) -> TimedSamples:
        path = self.folder / "samples" / sample_name(spec)
        if self._timed is None or self._timed[0] != path:
            if not path.is_file():
                _write(synthesize_samples(spec, context), path)
            self._timed = path, _read(path)
        return self._timed[1]


def _first(samples: Samples, count: int) -> tuple[Samples, float]:
    """The first samples, and what share of all they are."""
    if count >= len(samples.images):
        return samples, 1.0
    share = count / len(samples.images)
    return replace(samples, images=samples.images[:count], labels=samples.labels[:count]), share


def synthesize_samples(spec: RunSpec, context: RunContext) -> TimedSamples:
    """Make the samples of a spec, with a progress bar on standard error."""
    start = time.perf_counter()
    with tqdm(desc=f"samples of {spec.synthesis.source}", mininterval=1) as bar:
        for item in synthesize(spec, context):
            if isinstance(item, Event):
                bar.total = item.total
                bar.update()
            else:
                return TimedSamples(item, round(time.perf_counter() - start, 3))
    raise AssertionError("a source ends with its samples")


def sample_name(spec: RunSpec) -> str:
    """The file of a spec's samples, the same for all specs that share samples."""
    digest = sample_key(spec)[:12]
    return f"{spec.model}_{spec.synthesis.source}_{spec.seed}_{digest}.pt"


def _write(timed: TimedSamples, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoints.write(path, {"samples": vars(timed.samples), "seconds": timed.seconds})


def _read(path: Path) -> TimedSamples:
    state = checkpoints.read(path)
    return TimedSamples(Samples(**state["samples"]), state["seconds"])


def _put(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_bytes(data)
