"""The functions that Dask calls in a worker process: a run, a batch of samples, a quick answer.

Only plain values leave the process. Errors are sent as text, because unpickling an exception in the
app could import torch there.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from maskaq.config.parsing import from_dict
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.jobs.job import pack
from maskaq.jobs.run_tasks import Batches, Files, Parcels, synthesize_batch
from maskaq.registry import imported

if TYPE_CHECKING:
    from collections.abc import Generator

T = TypeVar("T")
_PACE = 0.2  # seconds between two messages
_FRAME = 0.5  # seconds between two messages with pictures
# One run or batch at a time, and one answer at a time, however many threads Dask has here.
_WORKING, _ANSWERING = threading.Lock(), threading.Lock()


def work(
    spec: str, run: str, topic: str, items: str, batches: Batches, parcels: Parcels
) -> dict[str, Any]:
    """Do a run and report on a topic; called by Dask.

    Args:
        spec: JSON of the `RunSpec`. run: its id. topic: that the app listens to.
        items: `module:function` with the arguments and items of `run_tasks.run_files`.
        batches: what `batch` returned for the run's samples. parcels: as `run_files`.

    Returns:
        `{"ended": "finished", "files": ...}`, `{"ended": "cancelled"}`, or an error as text; that
        of a batch has its name as `batch`.
    """
    from distributed import get_worker

    for name, part in batches.items():
        if "state" not in part:
            return {**part, "batch": name}
    log = get_worker().log_event
    mailer = Mailer(lambda message: log(topic, {"run": run} | message))
    with _listening(run) as stop, _WORKING:
        mailer.start()
        try:
            steps = imported(items)(from_dict(json.loads(spec)), batches, parcels)
            return in_thread(lambda: _follow(steps, mailer, stop))
        except Exception as error:
            return as_text(error)
        finally:
            mailer.flush()


def batch(spec: str, first: int, parcels: Parcels) -> dict[str, Any]:
    """`run_tasks.synthesize_batch`, or its error as text; called by Dask."""
    try:
        with _WORKING:
            return in_thread(lambda: synthesize_batch(spec, first, parcels))
    except Exception as error:
        return as_text(error)


def _follow(
    steps: Generator[Event | Files, None, None], mailer: Mailer, stop: threading.Event
) -> dict[str, Any]:
    with closing(steps):
        for item in steps:
            if not isinstance(item, Event):
                return {"ended": "finished", "files": item}
            mailer.note(item)
            if stop.is_set():
                return {"ended": "cancelled"}
    raise AssertionError("a run ends with its files")


def in_thread(do: Callable[[], T]) -> T:
    """`do()` in a new thread, which ends with it.

    OpenMP keeps a team of threads for every thread that ever computed. When the teams together
    exceed the processors, all of them sleep between two loops, although only one is at work: torch
    then took 2.7 times as long.
    """
    with ThreadPoolExecutor(1, "maskaq-torch") as pool:
        return pool.submit(do).result()


def answer(name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """`QUICK[name](**plain)` as `{"value": ...}`, or its error as text; called by Dask."""
    from maskaq.queries.table import QUICK

    try:
        with _ANSWERING:  # the answers share models, which only one may record
            return {"value": in_thread(lambda: QUICK[name](**plain))}
    except Exception as error:
        return as_text(error)


def warm() -> dict[str, Any]:
    """Load torch and what all answers need, ahead of the first run and the first answer."""
    import maskaq.runs.runner  # noqa: F401
    from maskaq.queries import accuracy

    with _ANSWERING:
        in_thread(accuracy.prepare)
    return {"value": None}


def as_text(error: Exception) -> dict[str, Any]:
    """An error as plain values.

    kind: its class. message: its text. foreseen: whether the text is for users.
    """
    return {
        "ended": "failed",
        "kind": type(error).__name__,
        "message": str(error),
        "foreseen": isinstance(error, MaskaqError),
        "traceback": "".join(traceback.format_exception(error)),
    }


@contextmanager
def _listening(run: str) -> Iterator[threading.Event]:
    """A flag that is set soon after the app has set the Dask event `stop-<run>`.

    Asking between steps would cost a round trip each; a waiting thread knows within milliseconds.
    """
    from distributed import Event as Signal
    from distributed import get_client

    stop, over = threading.Event(), threading.Event()
    signal = Signal(f"stop-{run}", client=get_client())

    def listen() -> None:
        while not (over.is_set() or stop.is_set()):
            try:
                if signal.wait("1s"):
                    stop.set()
            except Exception:  # the scheduler is gone, and this process ends soon
                return

    threading.Thread(target=listen, name=f"stop {run}", daemon=True).start()
    try:
        yield stop
    finally:
        over.set()


class Mailer:
    """Turns events into few messages; metrics in between are collected for the next message.

    `send` gets dicts of plain values, see `maskaq.jobs.job`.
    """

    def __init__(
        self,
        send: Callable[[dict[str, Any]], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._clock = send, clock
        self._stage = ""
        self._began = self._last = 0.0
        self._sent = self._pictured = -math.inf
        self._latest: Event | None = None  # not sent yet
        self._rows: list[dict[str, Any]] = []
        self._problems: list[str] = []
        self._images: Any = None

    def start(self) -> None:
        """Report which process does the run."""
        self._last = self._clock()
        self._send({"kind": "started", "pid": os.getpid()})

    def note(self, event: Event) -> None:
        """Send the event and everything collected, or collect it if the last message is recent."""
        if event.stage != self._stage:
            self._stage, self._began = event.stage, self._last  # starts where the last stage ended
        self._last, self._latest = self._clock(), event
        if event.metrics:
            row = {"stage": event.stage, "step": event.step}
            self._rows.append(row | {name: float(v) for name, v in event.metrics.items()})
        if event.problem:
            self._problems.append(event.problem)
        if event.images is not None:
            self._images = event.images
        if self._last - self._sent >= _PACE:
            self.flush()

    def flush(self) -> None:
        """Send what was collected."""
        event = self._latest
        if event is None:
            return
        pictures = None
        if self._images is not None and self._last - self._pictured >= _FRAME:
            pictures = pack(self._images.numpy())
            self._images, self._pictured = None, self._last
        self._send(
            {
                "kind": "progress",
                "stage": event.stage,
                "step": event.step,
                "total": event.total,
                "seconds": self._last - self._began,
                "rows": self._rows,
                "problems": self._problems,
                "pictures": pictures,
            }
        )
        self._latest, self._rows, self._problems = None, [], []
        self._sent = self._last
