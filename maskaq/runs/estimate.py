"""What runs will cost, extrapolated from a short measurement on this machine.

Measured are a few synthesis steps of one batch for every kind of drawing, and a short fit with a
few evaluation images for every back-end. Drawing grows with images times steps, an evaluation with
its images; of a fit, learning grows with its steps, and all before it with the samples.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from timm.data.readers import get_img_extensions

from maskaq.config import RunSpec, SynthesisOptions
from maskaq.config.sample_key import batches, evaluation_spec, sample_key
from maskaq.data.scenes import SPLITS
from maskaq.events import Event
from maskaq.results.finished import Finished
from maskaq.runs import environment
from maskaq.runs.context import Ground
from maskaq.runs.runner import draw, run
from maskaq.synthesis.loop import Samples

__all__ = ["Cost", "Total", "estimate", "total"]

_STEPS = 5  # of synthesis that are measured; the first one is left out
_LEARNED = 3  # steps of each block, or epochs
_JUDGED = 100  # evaluation images
_ANY_BITS: Mapping[str, Any] = {"weight_bits": 4, "activation_bits": 4}  # all cost the same


@dataclass(frozen=True)
class Cost:
    """Of one run, in seconds. drawing: 0 where another run before it draws the same samples.
    image_steps: images times synthesis steps, likewise. memory_mb: at least so much is needed."""

    drawing: float
    fit: float
    evaluation: float
    image_steps: int
    memory_mb: float

    @property
    def seconds(self) -> float:
        """All together."""
        return self.drawing + self.fit + self.evaluation


class Total(NamedTuple):
    """Of many runs. longest: seconds of the portion that cannot be divided any further."""

    seconds: float
    longest: float
    image_steps: int
    memory_mb: float

    def on(self, machines: int) -> float:
        """Seconds on so many machines like this one, if portions could be divided at will."""
        return max(self.longest, self.seconds / machines)


def estimate(
    specs: Sequence[RunSpec], note: Callable[[str], None] = lambda what: None
) -> list[Cost]:
    """The cost of each run, in this order; equal kinds are measured once.

    Args:
        note: called before every measurement with what is measured.

    Raises:
        MaskaqError: what a run would raise that cannot even begin.
    """
    meter, drawn, costs = _Meter(note), set(), []
    for spec in specs:
        key, steps = sample_key(spec), 0
        drawing = 0.0
        if batches(spec) and key not in drawn:
            drawn.add(key)
            steps = spec.synthesis.images * spec.synthesis.steps
            drawing = meter.step_of_an_image(spec) * steps
        fit, evaluation = meter.fit_and_evaluation(spec)
        costs.append(Cost(drawing, fit, evaluation, steps, environment.peak_memory_mb()))
    return costs


def total(specs: Sequence[RunSpec], costs: Iterable[Cost]) -> Total:
    """All runs together. A batch of samples and a fit are the smallest portions."""
    found = list(costs)
    portions = [
        max(cost.drawing / max(1, len(batches(spec))), cost.fit + cost.evaluation)
        for spec, cost in zip(specs, found, strict=True)
    ]
    return Total(
        sum(cost.seconds for cost in found),
        max(portions, default=0.0),
        sum(cost.image_steps for cost in found),
        max((cost.memory_mb for cost in found), default=0.0),
    )


class _Meter:
    """Measurements by what they depend on."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._grounds: dict[RunSpec, Ground] = {}
        self._steps: dict[str, float] = {}
        self._fits: dict[RunSpec, _Fit] = {}

    def step_of_an_image(self, spec: RunSpec) -> float:
        """Seconds."""
        made = spec.synthesis
        images = min(made.images, made.batch)
        short = replace(made, images=images, steps=min(made.steps, _STEPS) or 1)
        formats = replace(spec.quantization, **_ANY_BITS)
        measured = replace(spec, seed=0, synthesis=short, quantization=formats)
        key = sample_key(measured)
        if key not in self._steps:
            self._note(f"{spec.model}: samples of {made.source}")
            stamps = [time.perf_counter()]
            for item in draw(measured, self._ground(measured)):
                if isinstance(item, Event):
                    stamps.append(time.perf_counter())
            took = [after - before for before, after in itertools.pairwise(stamps)]
            self._steps[key] = sum(took[1:] or took) / len(took[1:] or took) / images
        return self._steps[key]

    def fit_and_evaluation(self, spec: RunSpec) -> tuple[float, float]:
        """Seconds each."""
        found = self._fit(spec)
        full, learned = spec.fit, found.learned
        if full.backend in _STEPS_OF:
            learned *= _STEPS_OF[full.backend](spec, found.events)
        fit = found.before * spec.synthesis.images + learned
        if full.refresh and full.backend == "lsq-kd":
            times = (full.epochs - 1) // full.refresh
            images = spec.synthesis.images * full.refresh_steps * times
            fit += self.step_of_an_image(spec) * images if batches(spec) else 0.0
        return fit, found.judging * _judged(spec)

    def _fit(self, spec: RunSpec) -> _Fit:
        images = min(spec.synthesis.images, max(spec.fit.batch, spec.synthesis.batch))
        made = SynthesisOptions(source="noise", images=images)
        learning = replace(spec.fit.reconstruction, steps=_LEARNED, tune=0)
        short = replace(spec.fit, epochs=_LEARNED, refresh=0, reconstruction=learning)
        key = replace(
            spec,
            method=RunSpec.method,
            seed=0,
            synthesis=made,
            quantization=replace(spec.quantization, **_ANY_BITS),
            fit=short,
            eval_images=_JUDGED,
        )
        if key not in self._fits:
            self._note(f"{spec.model}: back-end {spec.fit.backend}")
            self._fits[key] = _measure_fit(key, self._ground(key))
        return self._fits[key]

    def _ground(self, spec: RunSpec) -> Ground:
        key = replace(evaluation_spec(spec), eval_images=_JUDGED)
        if key not in self._grounds:
            self._grounds[key] = Ground.of(key)
        return self._grounds[key]


class _Fit(NamedTuple):
    """Seconds before learning per sample, of one event of learning, and of judging an image;
    events: of learning that there were."""

    before: float
    learned: float
    judging: float
    events: int


def _measure_fit(spec: RunSpec, ground: Ground) -> _Fit:
    samples = next(item for item in draw(spec, ground) if isinstance(item, Samples))
    stamps: list[float] = []
    finished: Finished | None = None
    for item in run(spec, samples=samples, ground=ground):
        if isinstance(item, Finished):
            finished = item
        elif item.stage == "fit":
            stamps.append(time.perf_counter())
    assert finished is not None, "a run ends with its result"
    seconds, count = finished.result.seconds, len(samples.images)
    apart = sorted(after - before for before, after in itertools.pairwise(stamps))
    learned = apart[len(apart) // 2] if spec.fit.backend in _STEPS_OF and apart else 0.0
    before = max(0.0, seconds["fit"] - learned * len(stamps))
    judging = seconds["evaluation"] / finished.result.evaluated
    return _Fit(before / count, learned, judging, len(stamps))


def _distilled(spec: RunSpec, events: int) -> float:
    return spec.fit.epochs * math.ceil(spec.synthesis.images / spec.fit.batch)


def _reconstructed(spec: RunSpec, events: int) -> float:
    options = spec.fit.reconstruction
    tuned = options.tuned(spec.quantization)
    return events / _LEARNED * (options.steps + tuned)  # each of the last goes through all blocks


# Back-ends that learn: how many events of learning a whole run has.
_STEPS_OF: Mapping[str, Callable[[RunSpec, int], float]] = MappingProxyType(
    {"lsq-kd": _distilled, "reconstruct": _reconstructed}
)


def _judged(spec: RunSpec) -> int:
    """How many images a run is judged on."""
    there = _pictures(spec.data) - spec.holdout if spec.data else len(SPLITS["evaluation"])
    return min(spec.eval_images, there) if spec.eval_images else there


@lru_cache(maxsize=8)
def _pictures(folder: str) -> int:
    endings = set(get_img_extensions())
    return sum(path.suffix.lower() in endings for path in Path(folder).rglob("*"))
