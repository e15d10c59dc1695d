"""Downloads of pretrained weights, each in a thread of this process, shared by all sessions.

Nothing here waits, so that a page can ask for the state of a download as often as it likes.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.models import download
from maskaq.models.download import HubFile

_MOST = 2  # downloads at a time


@dataclass(frozen=True)
class State:
    """The state of a download.

    name: `asking` for the size, `offered`, `running`, `done`, `cancelled` or `failed`. done, total:
    bytes; total is 0 until the size is known. seconds: since the start. error: why it failed.
    """

    name: str = "asking"
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether it changes without a visitor."""
        return self.name in ("asking", "running")

    @property
    def share(self) -> float:
        """Share of the bytes that have arrived."""
        return self.done / self.total if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until the end at the present speed; None if that is unknown."""
        return self.seconds * (self.total - self.done) / self.done if self.done else None


@dataclass(eq=False)
class _Task:
    state: State = field(default_factory=State)
    stop: threading.Event = field(default_factory=threading.Event)


class Downloads:
    """The downloads of this process, at most one per model."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[HubFile, _Task] = {}

    def look(self, weights: HubFile) -> State:
        """The present state. The first look asks the hub for the size, and downloads nothing.

        Raises:
            RunError: the server is read-only.
        """
        _check()
        with self._lock:
            if weights not in self._tasks:
                self._tasks[weights] = _Task()
                self._begin(weights, self._ask)
            return self._tasks[weights].state

    def running(self, weights: HubFile) -> bool:
        """Whether the file is being downloaded, or compared with its SHA-256 in the cache."""
        with self._lock:
            task = self._tasks.get(weights)
            return task is not None and task.state.name == "running"

    def start(self, weights: HubFile) -> None:
        """Start the download, unless it is running. If its size is unknown, ask for that again.

        Raises:
            RunError: the server is read-only, or downloads other models.
        """
        _check()
        with self._lock:
            task = self._tasks.get(weights, _Task())
            if task.state.active:
                return
            running = sum(other.state.name == "running" for other in self._tasks.values())
            if task.state.total and running >= _MOST:
                raise RunError(
                    f"this server already downloads {running} models; allowed: {_MOST}. Try again "
                    "when one of them has ended."
                )
            total = task.state.total
            self._tasks[weights] = _Task(State("running" if total else "asking", total=total))
            self._begin(weights, self._fetch if total else self._ask)

    def cancel(self, weights: HubFile) -> None:
        """Stop a running download; others are left as they are."""
        with self._lock:
            task = self._tasks.get(weights)
            if task is not None and task.state.name == "running":
                task.stop.set()
                task.state = State("cancelled", total=task.state.total)

    def _begin(self, weights: HubFile, work: Callable[[HubFile, _Task], State]) -> None:
        """Do the work in a thread; the lock is held."""
        task = self._tasks[weights]

        def run() -> None:
            try:
                state = work(weights, task)
            except Exception as error:  # shown to the visitors
                state = State("failed", total=task.state.total, error=str(error))
            self._set(task, state)

        threading.Thread(target=run, name=f"download {weights.model}", daemon=True).start()

    def _set(self, task: _Task, state: State) -> None:
        with self._lock:
            if not task.stop.is_set():  # a cancelled task stays cancelled
                task.state = state

    def _ask(self, weights: HubFile, task: _Task) -> State:
        return State("offered", total=download.size_of(weights))

    def _fetch(self, weights: HubFile, task: _Task) -> State:
        started = time.monotonic()

        def report(done: int, total: int) -> None:
            self._set(task, State("running", done, total, time.monotonic() - started))

        download.fetch(weights, report, task.stop)
        return replace(task.state, name="done")


def _check() -> None:
    if service.readonly():
        raise RunError(service.READONLY)


_SHARED = Downloads()
look, running = _SHARED.look, _SHARED.running
start, cancel = _SHARED.start, _SHARED.cancel
