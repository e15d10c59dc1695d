"""What happens inside a worker process: one run, or one quick answer.

Only plain values leave the process. An exception that crossed would be built again in the app, and
torch with it; so errors are sent as text.
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
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from maskaq.config import RunSpec
from maskaq.config.parsing import from_dict
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.jobs.records import pack

if TYPE_CHECKING:
    from collections.abc import Generator

Files = dict[str, bytes]
T = TypeVar("T")
RUN = "maskaq.jobs.worker:run_files"
_PACE = 0.2  # seconds between two messages
_FRAME = 0.5  # seconds between two messages with pictures
_ANSWERING = threading.Lock()


def work(spec: str, run: str, topic: str, items: str) -> dict[str, Any]:
    """Do a run and report on a topic; called by Dask.

    Args:
        spec: JSON of the `RunSpec`. run: its id. topic: where the app listens.
        items: `module:function` from a spec to events and, last, the files of the run.

    Returns:
        `{"ended": "finished", "files": ...}`, `{"ended": "cancelled"}`, or the error in words.
    """
    from distributed import get_worker

    log = get_worker().log_event
    mailer = Mailer(lambda message: log(topic, {"run": run} | message))
    with _listening(run) as stop:
        mailer.start()
        try:
            return apart(lambda: _steps(spec, items, mailer, stop))
        except Exception as error:
            return {"ended": "failed"} | in_words(error)
        finally:
            mailer.flush()


def _steps(spec: str, items: str, mailer: Mailer, stop: threading.Event) -> dict[str, Any]:
    with closing(_named(items)(from_dict(json.loads(spec)))) as steps:
        for item in steps:
            if not isinstance(item, Event):
                return {"ended": "finished", "files": item}
            mailer.note(item)
            if stop.is_set():
                return {"ended": "cancelled"}
    raise AssertionError("a run ends with its files")


def apart(do: Callable[[], T]) -> T:
    """`do()` in a thread that ends with it.

    OpenMP keeps a team of threads for every thread that ever computed. Once the teams are larger
    than the machine it has them all sleep between two loops, though but one of them is at work:
    torch then took 2.7 times as long.
    """
    with ThreadPoolExecutor(1, "maskaq-torch") as pool:
        return pool.submit(do).result()


def run_files(spec: RunSpec) -> Generator[Event | Files, None, None]:
    """The run itself: its events, then the files it is stored as."""
    from maskaq.results import store
    from maskaq.runs import runner
    from maskaq.runs.cache import drawn_before, ground_of

    for item in runner.run(spec, ground=ground_of(spec), checkpoints=drawn_before(spec)):
        yield store.files(item) if isinstance(item, runner.Finished) else item


def answer(name: str, plain: Mapping[str, Any]) -> dict[str, Any]:
    """`QUICK[name](**plain)`, as `{"value": ...}` or an error in words; called by Dask."""
    from maskaq.queries.table import QUICK

    try:
        with _ANSWERING:  # the models are shared by all answers, and can be recorded once at a time
            return {"value": apart(lambda: QUICK[name](**plain))}
    except Exception as error:
        return in_words(error)


def warm() -> dict[str, Any]:
    """Load torch and what all answers need, so that the first run and the first answer need not."""
    import maskaq.runs.runner  # noqa: F401
    from maskaq.queries import accuracy

    with _ANSWERING:
        apart(accuracy.prepare)
    return {"value": None}


def in_words(error: Exception) -> dict[str, Any]:
    """kind: class of the error. message: its text. foreseen: whether that says what to do."""
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "foreseen": isinstance(error, MaskaqError),
        "traceback": "".join(traceback.format_exception(error)),
    }


def _named(where: str) -> Callable[[RunSpec], Generator[Event | Files, None, None]]:
    module, _, name = where.partition(":")
    found: Callable[[RunSpec], Generator[Event | Files, None, None]] = getattr(
        import_module(module), name
    )
    return found


@contextmanager
def _listening(run: str) -> Iterator[threading.Event]:
    """A flag that goes up soon after the app has set the Dask event `stop-<run>`.

    Asking between steps costs a round trip each; a thread that waits hears it in milliseconds.
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
            except Exception:  # the scheduler is gone, and soon so are we
                return

    threading.Thread(target=listen, name=f"stop {run}", daemon=True).start()
    try:
        yield stop
    finally:
        over.set()


class Mailer:
    """Turns events into few messages: what was measured in between is kept for the next one.

    `send` gets dicts of plain values: see `records`.
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
        """Say which process does the run."""
        self._last = self._clock()
        self._send({"kind": "started", "pid": os.getpid()})

    def note(self, event: Event) -> None:
        """Send the event with all that waited, or keep it if the last message is too recent."""
        if event.stage != self._stage:
            self._stage, self._began = event.stage, self._last  # ends where the last one ended
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
        """Send what waits."""
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
