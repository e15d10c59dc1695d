"""Where a run's time goes, and what it measured on the way."""

from __future__ import annotations

import time
from typing import Any

from maskaq.events import Event


class Stopwatch:
    """Gives the time since the last event to the stage of the present one.

    rows: one dict per event that measured something: stage, step, seconds since the start, metrics.
    log: a line for the beginning of every stage and for everything that went wrong.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.log: list[str] = []
        self._stage = ""
        self._began = self._last = time.perf_counter()
        self._before = 0.0
        self._seconds = dict.fromkeys(("load", "synthesis", "fit", "evaluation"), 0.0)

    def note(self, event: Event) -> Event:
        """Book the event and pass it on."""
        self.close(event.stage)
        since = self._last - self._began
        if event.stage != self._stage:
            self._stage = event.stage
            self.log.append(f"{since:9.2f} s  {event.stage}: {event.total} steps")
        if event.problem:
            self.log.append(f"{since:9.2f} s  step {event.step}: {event.problem}")
        if event.metrics:
            where: dict[str, Any] = {
                "stage": event.stage,
                "step": event.step,
                "seconds": round(since, 3),
            }
            self.rows.append(where | dict(event.metrics))
        return event

    def close(self, stage: str) -> None:
        """Book the time since the last event under a stage."""
        now = time.perf_counter()
        self._seconds[stage] += now - self._last
        self._last = now

    def add(self, stage: str, seconds: float) -> None:
        """Book time that was spent before this watch began to run."""
        self._seconds[stage] += seconds
        self._before += seconds

    def seconds(self) -> dict[str, float]:
        """Seconds per stage, and `total`."""
        parts = {name: round(value, 3) for name, value in self._seconds.items()}
        return parts | {"total": round(self._last - self._began + self._before, 3)}
