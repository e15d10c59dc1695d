"""A long run in a thread of its own, which the page watches and can stop between two steps.

Streamlit is not imported here: a thread may not draw. The page reads `progress` and its
neighbours whenever it likes; each of them is replaced or extended in one step, so no lock is
needed for reading. Runs of one server take turns, because two at once would only slow each other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from maskaq.events import Event
from maskaq.runs.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Job", "Progress"]

R = TypeVar("R")

_TURN = threading.Lock()
_LOOK = 0.1  # seconds between two looks at the stop sign while waiting for the turn


class Job(Generic[R]):
    """Runs an iterator of events that ends with a result.

    progress: the latest `Progress`. rows: one dict per event that measured something, with its
    stage, step and metrics. images: the latest uint8 [n,3,S,S]. problems: what went wrong without
    ending the run. result: the item that was no event. error: the exception that ended the run.
    """

    def __init__(
        self,
        name: str,
        items: Iterator[Event | R],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.progress = Progress()
        self.rows: list[dict[str, str | int | float]] = []
        self.images: Tensor | None = None
        self.problems: list[str] = []
        self.result: R | None = None
        self.error: Exception | None = None
        self.waiting = True
        self._items, self._clock = items, clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"job {name}", daemon=True)
        self.start, self.cancel = self._thread.start, self._stop.set
        self.alive, self.join = self._thread.is_alive, self._thread.join

    @property
    def cancelled(self) -> bool:
        """Whether it was told to stop; it may still be at its last step."""
        return self._stop.is_set()

    def _run(self) -> None:
        while not _TURN.acquire(timeout=_LOOK):
            if self.cancelled:
                return
        try:
            self.waiting = False
            self._work()
        except Exception as error:  # the page shows it; in a thread it would be lost
            self.error = error
        finally:
            _TURN.release()

    def _work(self) -> None:
        began = last = self._clock()
        try:
            for item in self._items:
                now = self._clock()
                if not isinstance(item, Event):
                    self.result = item
                    return
                if item.stage != self.progress.stage:
                    began = last  # a stage starts where the one before it ended
                last = now
                self._note(item, now - began)
                if self.cancelled:
                    return
        finally:
            if close := getattr(self._items, "close", None):
                close()  # a generator runs its clean-up now, not when it is collected

    def _note(self, event: Event, seconds: float) -> None:
        self.progress = Progress(event.stage, event.step, event.total, seconds)
        if event.metrics:
            self.rows.append({"stage": event.stage, "step": event.step, **event.metrics})
        if event.images is not None:
            self.images = event.images
        if event.problem:
            self.problems.append(event.problem)
