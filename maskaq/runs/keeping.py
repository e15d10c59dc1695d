"""What a run adds to the states of its stages: their duration and the samples of a fit."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from maskaq.checkpoints import Checkpoints, State
from maskaq.synthesis.loop import Samples

__all__ = ["Timed", "WithSamples"]


class Timed:
    """Keeps with every state the seconds its stage has taken, and adds up those not repeated.

    A stage asks for a state when it begins to work on it; from then on its time counts.
    """

    def __init__(self, inner: Checkpoints, clock: Callable[[], float] = time.perf_counter) -> None:
        self._spared = 0.0
        self._inner, self._clock = inner, clock
        self._began: dict[str, float] = {}  # by name: when, less the seconds before the resumption

    def recall(self, name: str) -> State | None:
        state = self._inner.recall(name)
        taken = state.get("seconds", 0.0) if state else 0.0
        self._spared += taken
        self._began[name] = self._clock() - taken
        return state

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
        return {**state, "seconds": taken}


class HasSamples(Protocol):
    """A run in progress."""

    samples: Samples


class WithSamples:
    """Keeps the samples with the state of a fit, which may have them synthesised again."""

    def __init__(self, work: HasSamples, inner: Checkpoints) -> None:
        self._work, self._inner = work, inner

    def recall(self, name: str) -> State | None:
        state = self._inner.recall(name)
        if state is not None:
            self._work.samples = Samples(**state["samples"])
        return state

    def offer(self, name: str, make: Callable[[], State]) -> None:
        self._inner.offer(name, lambda: self._with_samples(make()))

    def keep(self, name: str, state: State) -> None:
        self._inner.keep(name, self._with_samples(state))

    def _with_samples(self, state: State) -> State:
        return {**state, "samples": vars(self._work.samples)}
