"""Checkpoints of a run: where a stored run keeps them, and what a run adds to each state."""

import shlex
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import torch

from maskaq.checkpoints import Checkpoints, InFolder, State
from maskaq.config import RunSpec
from maskaq.config.overrides import command_of
from maskaq.config.parsing import Every
from maskaq.runs import environment
from maskaq.synthesis.loop import Samples


def folder_for(out: Path) -> Path:
    """A hidden folder beside the run's own, so that it is not listed as a run."""
    return out.with_name(f".{out.name}.partial")


def checkpoints(spec: RunSpec, out: Path, every: Every) -> InFolder:
    """The checkpoints of a run that will be stored in `out`.

    Checkpoints made with other settings, library versions or numbers of threads are dropped:
    resuming from them would not reproduce an uninterrupted run bit for bit.
    """
    key = {
        "command": f"{command_of(spec)} --out {shlex.quote(str(out))}",
        "spec": asdict(spec),
        "versions": environment.versions(),
        "threads": torch.get_num_threads(),
    }
    return InFolder(folder_for(out.resolve()), key, every=every)


class Timed:
    """Checkpoints that store how long their stage has run, and sum up the time saved by resuming.

    A stage calls `recall` when it starts to work on a state; its time counts from then on.
    """

    def __init__(self, inner: Checkpoints, clock: Callable[[], float] = time.perf_counter) -> None:
        self._inner, self._clock = inner, clock
        self._saved = 0.0
        self._started: dict[str, float] = {}  # by state; earlier seconds are already subtracted

    def recall(self, name: str) -> State | None:
        state = self._inner.recall(name)
        seconds = state.get("seconds", 0.0) if state else 0.0
        self._saved += seconds
        self._started[name] = self._clock() - seconds
        return state

    def take_saved_seconds(self) -> float:
        """Seconds that the states recalled since the last call had taken to compute."""
        saved, self._saved = self._saved, 0.0
        return saved

    def offer(self, name: str, make: Callable[[], State]) -> None:
        self._inner.offer(name, lambda: self._timed(name, make()))

    def keep(self, name: str, state: State) -> None:
        self._inner.keep(name, self._timed(name, state))

    def _timed(self, name: str, state: State) -> State:
        now = self._clock()
        return {**state, "seconds": now - self._started.get(name, now)}


class HasSamples(Protocol):
    """A run in progress."""

    samples: Samples


class WithSamples:
    """Checkpoints of a fit that also store the samples, because a fit may refresh them."""

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
