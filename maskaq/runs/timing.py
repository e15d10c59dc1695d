"""The time that the stages of a run take, and the metrics of its events."""

import time
from typing import Any

from maskaq.events import Event


class Stopwatch:
    """Adds the time between two events to the stage of the later one.

    rows: a dict per event with metrics: stage, step, seconds since the start, and the metrics. log:
    a line for the start of each stage and for each problem.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.log: list[str] = []
        self._stage = ""
        self._start = self._last = time.perf_counter()
        self._earlier = 0.0
        self._seconds = dict.fromkeys(("load", "synthesis", "fit", "evaluation"), 0.0)

    def note(self, event: Event) -> Event:
        """Record an event and return it."""
        self.close(event.stage)
        since = self._last - self._start
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
        """Add the time since the last event to a stage."""
        now = time.perf_counter()
        self._seconds[stage] += now - self._last
        self._last = now

    def add(self, stage: str, seconds: float) -> None:
        """Add time that was spent before this watch was started."""
        self._seconds[stage] += seconds
        self._earlier += seconds

    def seconds(self) -> dict[str, float]:
        """Seconds per stage, and `total`."""
        parts = {name: round(value, 3) for name, value in self._seconds.items()}
        return parts | {"total": round(self._last - self._start + self._earlier, 3)}
