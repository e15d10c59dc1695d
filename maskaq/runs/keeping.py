"""What a run adds to the states of its stages: their time, and the samples that a fit changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from maskaq.checkpoints import Checkpoints, State, named, part
from maskaq.synthesis.loop import Samples

__all__ = ["Timed", "WithSamples", "as_state", "samples_of"]

_SECONDS = "seconds"


class Timed:
    """Keeps with every state how long the way to it took, and knows what was spared.

    A stage asks for a state when it begins to work on it; from then on its time counts.
    """

    def __init__(self, inner: Checkpoints, clock: Callable[[], float] = time.perf_counter) -> None:
        self._spared = 0.0
        self._inner, self._clock = inner, clock
        self._began: dict[str, float] = {}  # by name: when, less what it had taken before

    def recall(self, name: str) -> State | None:
        known = self._inner.recall(name)
        taken = float(known.notes.get(_SECONDS, 0.0)) if known else 0.0
        self._spared += taken
        self._began[name] = self._clock() - taken
        return known

    def take_spared(self) -> float:
        """Seconds that the states recalled since the last call had taken."""
        spared, self._spared = self._spared, 0.0
        return spared

    def offer(self, name: str, make: Callable[[], State]) -> None:
        self._inner.offer(name, lambda: self._timed(name, make()))

    def keep(self, name: str, state: State) -> None:
        self._inner.keep(name, self._timed(name, state))

    def _timed(self, name: str, state: State) -> State:
        taken = self._clock() - self._began.get(name, self._clock())
        return State(state.tensors, {**state.notes, _SECONDS: taken})


class HasSamples(Protocol):
    """A run on its way."""

    samples: Samples


class WithSamples:
    """For a fit that has the samples drawn anew: they are kept with its state."""

    def __init__(self, work: HasSamples, inner: Checkpoints) -> None:
        self._work, self._inner = work, inner

    def recall(self, name: str) -> State | None:
        known = self._inner.recall(name)
        if known is not None:
            self._work.samples = samples_of(known)
        return known

    def offer(self, name: str, make: Callable[[], State]) -> None:
        self._inner.offer(name, lambda: self._with_samples(make()))

    def keep(self, name: str, state: State) -> None:
        self._inner.keep(name, self._with_samples(state))

    def _with_samples(self, state: State) -> State:
        kept = as_state(self._work.samples)
        return State({**state.tensors, **kept.tensors}, {**state.notes, **kept.notes})


def as_state(samples: Samples) -> State:
    """Samples as tensors and notes."""
    kept = named("samples.state", samples.state.items())
    kept |= {"samples.images": samples.images, "samples.labels": samples.labels}
    return State(kept, {"recognised": samples.recognised, "history": samples.history})


def samples_of(state: State) -> Samples:
    """The inverse of `as_state`; what else the state holds is left aside."""
    kept, notes = part(state.tensors, "samples"), state.notes
    own = part(kept, "state")
    return Samples(kept["images"], kept["labels"], notes["recognised"], notes["history"], own)
