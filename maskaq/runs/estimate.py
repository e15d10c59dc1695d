"""The cost of runs, extrapolated from a short measurement on this machine.

Measured are a few synthesis steps of one batch for each kind of synthesis, and a short fit with a
few evaluation images for each back-end. Synthesis grows with images times steps, evaluation with
its images, learning with its steps, and the rest of a fit with the samples.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

from maskaq.config import RunSpec, SynthesisOptions
from maskaq.config.components import BACKENDS
from maskaq.config.sample_key import batches, sample_key
from maskaq.data.annotations import count_annotated
from maskaq.data.folder import count_images
from maskaq.data.scenes import SPLITS
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.results.result import Finished
from maskaq.runs import environment
from maskaq.runs.cache import context_of
from maskaq.runs.context import RunContext
from maskaq.runs.runner import run, synthesize
from maskaq.synthesis.loop import Samples

_STEPS = 5  # synthesis steps that are measured; the first is left out
_LEARNED = 3  # steps of each block, or epochs
_EVALUATED = 100  # images
_ANY_BITS: Mapping[str, Any] = {"weight_bits": 4, "activation_bits": 4}  # all cost the same


@dataclass(frozen=True)
class Cost:
    """The cost of one run, in seconds.

    synthesis: 0 if an earlier run synthesizes the same samples. image_steps: images times synthesis
    steps, likewise. memory_mb: the least that is needed.
    """

    synthesis: float
    fit: float
    evaluation: float
    image_steps: int
    memory_mb: float

    @property
    def seconds(self) -> float:
        """The whole run."""
        return self.synthesis + self.fit + self.evaluation


class Total(NamedTuple):
    """The cost of many runs. longest: seconds of the largest part that cannot be divided."""

    seconds: float
    longest: float
    image_steps: int
    memory_mb: float

    def on(self, machines: int) -> float:
        """Seconds on this many machines like this one, if the parts spread evenly."""
        return max(self.longest, self.seconds / machines)


def estimate(
    specs: Sequence[RunSpec], note: Callable[[str], None] = lambda what: None
) -> list[Cost]:
    """The cost of each run, in this order; runs of the same kind are measured once.

    Args:
        note: called before each measurement with what is measured.

    Raises:
        MaskaqError: what a run would raise at its start.
    """
    meter, seen, costs = _Meter(note), set(), []
    for spec in specs:
        key, steps = sample_key(spec), 0
        synthesis = 0.0
        if batches(spec) and key not in seen:
            seen.add(key)
            steps = spec.synthesis.images * spec.synthesis.steps
            synthesis = meter.seconds_per_image_step(spec) * steps
        fit, evaluation = meter.fit_and_evaluation(spec)
        costs.append(Cost(synthesis, fit, evaluation, steps, environment.peak_memory_mb()))
    return costs


def total(specs: Sequence[RunSpec], costs: Iterable[Cost]) -> Total:
    """The cost of all runs. The smallest parts are a batch of samples and a fit."""
    found = list(costs)
    parts = [
        max(cost.synthesis / max(1, len(batches(spec))), cost.fit + cost.evaluation)
        for spec, cost in zip(specs, found, strict=True)
    ]
    return Total(
        sum(cost.seconds for cost in found),
        max(parts, default=0.0),
        sum(cost.image_steps for cost in found),
        max((cost.memory_mb for cost in found), default=0.0),
    )


class _Meter:
    """Measurements, each made once for all runs that share it."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._steps: dict[str, float] = {}
        self._fits: dict[RunSpec, _Fit] = {}

    def seconds_per_image_step(self, spec: RunSpec) -> float:
        """Seconds of one synthesis step of one image."""
        synthesis = spec.synthesis
        images = min(synthesis.images, synthesis.batch)
        short = replace(synthesis, images=images, steps=min(synthesis.steps, _STEPS) or 1)
        formats = replace(spec.quantization, **_ANY_BITS)
        measured = replace(spec, seed=0, synthesis=short, quantization=formats)
        key = sample_key(measured)
        if key not in self._steps:
            self._note(f"{spec.model}: samples of {synthesis.source}")
            stamps = [time.perf_counter()]
            for item in synthesize(measured, _context(measured)):
                if isinstance(item, Event):
                    stamps.append(time.perf_counter())
            took = [after - before for before, after in itertools.pairwise(stamps)]
            self._steps[key] = sum(took[1:] or took) / len(took[1:] or took) / images
        return self._steps[key]

    def fit_and_evaluation(self, spec: RunSpec) -> tuple[float, float]:
        """Seconds of the fit, and of the evaluation."""
        measured, full, backend = self._fit(spec), spec.fit, BACKENDS[spec.fit.backend]
        loaded = _context(spec).loaded
        images = spec.synthesis.images
        fit = measured.before * images
        if backend.learning_events:
            blocks = measured.events // (1 + _LEARNED)  # the rounding of a block is an event too
            formats = spec.quantization
            events = backend.learning_events(images, full, formats, blocks, loaded.task)
            fit += measured.learned * events
        if full.refresh and backend.distils:
            times = (full.epochs - 1) // full.refresh
            steps = images * full.refresh_steps * times if batches(spec) else 0
            fit += self.seconds_per_image_step(spec) * steps if steps else 0.0
        return fit, measured.evaluated * _evaluation_images(spec, loaded)

    def _fit(self, spec: RunSpec) -> _Fit:
        images = min(spec.synthesis.images, max(spec.fit.batch, spec.synthesis.batch))
        noise = SynthesisOptions(source="noise", images=images)
        learning = replace(spec.fit.reconstruction, steps=_LEARNED, tune=0)
        short = replace(spec.fit, epochs=_LEARNED, refresh=0, reconstruction=learning)
        key = replace(
            spec,
            method=RunSpec.method,
            seed=0,
            synthesis=noise,
            quantization=replace(spec.quantization, **_ANY_BITS),
            fit=short,
            eval_images=_EVALUATED,
        )
        if key not in self._fits:
            self._note(f"{spec.model}: back-end {spec.fit.backend}")
            self._fits[key] = _measure_fit(key, _context(key))
        return self._fits[key]


def _context(spec: RunSpec) -> RunContext:
    return context_of(replace(spec, eval_images=_EVALUATED))


class _Fit(NamedTuple):
    """Measured seconds: before learning per sample, per event of learning, and per evaluation
    image. events: how many events of learning there were."""

    before: float
    learned: float
    evaluated: float
    events: int


def _measure_fit(spec: RunSpec, context: RunContext) -> _Fit:
    samples = next(item for item in synthesize(spec, context) if isinstance(item, Samples))
    stamps: list[float] = []
    finished: Finished | None = None
    for item in run(spec, samples=samples, context=context):
        if isinstance(item, Finished):
            finished = item
        elif item.stage == "fit":
            stamps.append(time.perf_counter())
    assert finished is not None, "a run ends with its result"
    seconds, count = finished.result.seconds, len(samples.images)
    steps = sorted(after - before for before, after in itertools.pairwise(stamps))
    learned = steps[len(steps) // 2] if BACKENDS[spec.fit.backend].learns and steps else 0.0
    before = max(0.0, seconds["fit"] - learned * len(stamps))
    evaluated = seconds["evaluation"] / finished.result.evaluated
    return _Fit(before / count, learned, evaluated, len(stamps))


def _evaluation_images(spec: RunSpec, loaded: LoadedModel) -> int:
    """How many images a run is evaluated on."""
    available = len(SPLITS["evaluation"])
    if spec.data:
        names = loaded.class_names if loaded.dense else ()
        available = _images(spec.data, loaded.task, names) - spec.holdout
    return min(spec.eval_images, available) if spec.eval_images else available


@lru_cache(maxsize=8)
def _images(folder: str, task: str, class_names: tuple[str, ...]) -> int:
    return count_annotated(task, folder, class_names) if class_names else count_images(folder)
