"""Replaces `maskaq.jobs.service`: the same functions, with runs that advance when a test says so.

fake = fake_cluster.install(monkeypatch)   # in a fixture
fake.step("synthesis", 2, 3)               # advances the running or queued run
fake.finish()                              # ends it and stores it for the app
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.jobs.job import Progress, Record
from maskaq.results.paths import folder_of
from maskaq.ui.widgets import run_panel
from tests.support import stored

PUBLIC = (
    "start",
    "sweep",
    "swept",
    "cancel",
    "get",
    "runs_of",
    "position",
    "quick",
    "warm",
    "close",
)


class FakeCluster:
    """Records by id, oldest first. answers: what `quick` returns, by name of the function."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.grid: set[str] = set()  # ids of runs that belong to one
        self.warmed = 0

    # What pages may use.

    def start(self, owner: str, spec: RunSpec, *, origin: str = "") -> str:
        if any(run.active and run.id not in self.grid for run in self.runs_of(owner)):
            raise RunError("you have a run that has not ended; wait for it, or cancel it.")
        name = f"run-{len(self.records)}"
        self.records[name] = Record(name, owner, spec, origin=origin)
        return name

    def sweep(self, owner: str, cells: Sequence[Any]) -> list[str]:
        names = [f"run-{len(self.records) + place}" for place in range(len(cells))]
        for name, cell in zip(names, cells, strict=True):
            self.records[name] = Record(name, owner, cell.spec)
        self.grid.update(names)
        return names

    def swept(self, owner: str) -> list[Record]:
        return [record for record in self.runs_of(owner) if record.id in self.grid]

    def get(self, owner: str, id: str) -> Record:
        record = self.records.get(id)
        if record is None or record.owner != owner:
            raise RunError(f"there is no run {id!r} here; it may have been started elsewhere.")
        return record

    def runs_of(self, owner: str) -> list[Record]:
        return [record for record in self.records.values() if record.owner == owner]

    def cancel(self, owner: str, id: str) -> None:
        self.get(owner, id)
        self.change(id, state="cancelled")

    def position(self, id: str) -> int:
        waiting = [run.id for run in self.records.values() if run.state == "queued"]
        return waiting.index(id) + 1 if id in waiting else 0

    def quick(self, name: str, **plain: Any) -> Future[Any]:
        self.asked.append((name, plain))
        future: Future[Any] = Future()
        answer = self.answers[name]
        future.set_result(answer(**plain) if callable(answer) else answer)
        return future

    def warm(self) -> None:
        self.warmed += 1

    def close(self) -> None:
        self.records.clear()

    # What tests may use.

    @property
    def current(self) -> Record:
        """The oldest run that has not ended."""
        return next(run for run in self.records.values() if run.active)

    def change(self, id: str, **what: Any) -> None:
        """Replace fields of a record."""
        self.records[id] = replace(self.records[id], **what)

    def step(self, stage: str, step: int, total: int, loss: float | None = None) -> None:
        """Take the current run to a step, with some images."""
        run = self.current
        row = {"stage": stage, "step": step, "loss": 1.0 / step if loss is None else loss}
        self.change(
            run.id,
            state="running",
            progress=Progress(stage, step, total, seconds=2.0 * step),
            rows=[*run.rows, row],
            images=np.zeros((4, 3, 8, 8), np.uint8),
        )

    def finish(self) -> Path:
        """End the current run well and store it."""
        run = self.current
        folder = folder_of(run.spec)
        if not folder.exists():
            stored.write(folder, run.spec)
        self.change(run.id, state="finished", folder=folder)
        return folder

    def fail(self, error: str) -> None:
        """End the current run with an error."""
        self.change(self.current.id, state="failed", error=error)


def install(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """Put a fake in the place of the cluster for one test."""
    fake = FakeCluster()
    for name in PUBLIC:
        monkeypatch.setattr(service, name, getattr(fake, name))
    run_panel._warm.cache_clear()
    return fake
