"""The queue of runs and the one thread that talks to Dask.

Runs wait here until a worker is free, because Dask blames every task that waits on a worker when
that worker dies, and stopping a run may have to kill one. What the thread does to a run happens in
order, and no page ever waits for Dask.

A run is stopped in two steps. Dask's `cancel` alone would let it go on to its end, with its worker
occupied. So a Dask event asks it to stop between two steps, which is mostly enough; if it is not,
the process is killed and Dask starts another. Which process that is, the scheduler knows: while
it loads torch, the run itself may not get a word out for seconds.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from maskaq.errors import MaskaqError
from maskaq.jobs import connection, worker
from maskaq.jobs.records import Record, Records
from maskaq.jobs.task_result import LOST, kept, say, settle

if TYPE_CHECKING:
    from maskaq.jobs.task_result import Task

_LOG = logging.getLogger(__name__)
_GRACE = 0.6  # seconds for a run to stop between two steps
_FOREIGN = 50  # runs handed to a scheduler that is not ours: it does the queueing


@dataclass(eq=False)
class _Turn:
    """A run that has not ended. order: smallest first. pid: of the process that does it."""

    record: Record  # as it was queued
    order: tuple[int, int]
    task: Task | None = None
    pid: int = 0


class Dispatcher:
    """Takes runs and questions to workers and keeps the records up to date.

    items: see `worker.work`.
    """

    def __init__(self, records: Records, items: str) -> None:
        self._records, self._items = records, items
        self._turns: dict[str, _Turn] = {}
        self._lock = threading.Lock()  # of the turns
        self._number = itertools.count()
        self._topic = f"maskaq-{uuid4().hex}"
        self._link: connection.Processes | None = None
        self._hand = ThreadPoolExecutor(1, "maskaq-dask")

    def add(self, records: Sequence[Record], priority: int) -> None:
        """Queue runs behind those of the same priority and before those of a lower one."""
        with self._lock:
            for record in records:
                self._records.add(record)
                turn = _Turn(record, (-priority, next(self._number)))
                self._turns[record.id] = turn
        self._do(self._hand_out)

    def waiting(self) -> list[str]:
        """Ids of the runs that have not begun, next one first."""
        waiting, handed = self._split()
        turns = sorted(handed + waiting, key=lambda turn: turn.order)
        known = (self._records.peek(turn.record.id) for turn in turns)
        return [record.id for record in known if record and record.state == "queued"]

    def cancel(self, name: str) -> None:
        """Close the record at once and stop the run."""
        if self._records.end(name, "cancelled"):
            self._do(self._stop, name)

    def ask(
        self, function: Callable[..., dict[str, Any]], *args: Any, priority: int
    ) -> Future[Any]:
        """Submit `function(*args)`, of the module `worker`; it returns a value or an error."""
        future: Future[Any] = Future()
        self._do(self._ask, future, function, args, priority)
        return future

    def close(self) -> None:
        """End the connection, and the processes if they are ours; what has not ended is lost."""
        self._do(self._hang_up).result()

    def _do(self, what: Callable[..., object], *args: Any) -> Future[None]:
        def safely() -> None:
            try:
                what(*args)
            except Exception:  # the pool would keep it to itself
                _LOG.exception("a message to or from the workers failed")

        try:
            return self._hand.submit(safely)
        except RuntimeError:  # the interpreter is shutting down
            over: Future[None] = Future()
            over.set_result(None)
            return over

    # From here on: in the thread that talks to Dask.

    def _connected(self) -> connection.Processes:
        if self._link is None or not self._link.running:
            self._hang_up(everything=False)
            self._link = connection.connect(self._topic, self._on_message)
            atexit.register(self._link.close)
        return self._link

    def _hang_up(self, everything: bool = True) -> None:
        """Lose the runs that were handed out, with `everything` also those that wait."""
        with self._lock:
            gone = [turn for turn in self._turns.values() if everything or turn.task]
            for turn in gone:
                del self._turns[turn.record.id]
        for turn in gone:
            self._records.end(turn.record.id, "lost", error=LOST)
        if self._link is not None:
            atexit.unregister(self._link.close)
            self._link.close()
            self._link = None

    def _hand_out(self) -> None:
        """Give the next runs to the workers that are free."""
        if not self._split()[0]:
            return
        try:
            link = self._connected()
            waiting, handed = self._split()
            wanted = [turn for turn in waiting if self._active(turn)]  # not cancelled meanwhile
            room = link.settings.workers if link.own else _FOREIGN
            for turn in wanted[: max(0, room - len(handed))]:
                self._submit(link, turn)
        except Exception as error:
            for turn in self._split()[0]:
                self._end(turn, "failed", error=say(worker.in_words(error)))

    def _split(self) -> tuple[list[_Turn], list[_Turn]]:
        """Turns that wait here, next one first, and those that were handed to Dask."""
        with self._lock:
            turns = sorted(self._turns.values(), key=lambda turn: turn.order)
        return [turn for turn in turns if not turn.task], [turn for turn in turns if turn.task]

    def _active(self, turn: _Turn) -> bool:
        record = self._records.peek(turn.record.id)
        return record is not None and record.active

    def _submit(self, link: connection.Processes, turn: _Turn) -> None:
        name = turn.record.id
        turn.task = link.client.submit(
            worker.work,
            json.dumps(asdict(turn.record.spec)),
            name,
            self._topic,
            self._items,
            key=f"task-{name}",  # a key that equals an argument would wait for itself
            pure=False,
            **link.limit("run"),
        )
        turn.task.add_done_callback(lambda _: self._do(self._take, turn))

    def _take(self, turn: _Turn) -> None:
        """The task has ended, in whatever way: store what it made, and free its place."""
        task, name = turn.task, turn.record.id
        record = self._records.peek(name)
        if task is None or self._turns.get(name) is not turn:
            return
        state, what = kept(task, record) if record and record.active else ("cancelled", {})
        # A result that is still known to Dask would be computed again if the worker died.
        task.release()
        if self._link and self._link.running:
            self._signal(name).clear()
        self._end(turn, state, **what)
        self._hand_out()

    def _end(self, turn: _Turn, state: str, **what: Any) -> None:
        with self._lock:
            self._turns.pop(turn.record.id, None)
        self._records.end(turn.record.id, state, **what)

    def _stop(self, name: str) -> None:
        turn = self._turns.get(name)
        if turn is None or self._link is None:
            return
        if turn.task is None:
            self._end(turn, "cancelled")
            return
        self._signal(name).set()
        if self._link.own:
            timer = threading.Timer(_GRACE, lambda: self._do(self._kill, turn))
            timer.daemon = True
            timer.start()
        elif not turn.pid:
            turn.task.cancel()

    def _kill(self, turn: _Turn) -> None:
        link = self._link
        if turn.task is None or turn.task.done() or link is None or not link.own:
            return
        pid = link.pid_of(turn.task.key)
        turn.task.cancel()
        link.client.processing()  # a round trip: now the scheduler will not start it again
        others = {other.pid for other in self._split()[1] if other is not turn}
        if pid and pid not in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _signal(self, name: str) -> Any:
        from distributed import Event as Signal

        assert self._link is not None
        return Signal(f"stop-{name}", client=self._link.client)

    def _on_message(self, message: dict[str, Any]) -> None:
        """In Dask's own thread."""
        self._records.note(message)
        if message["kind"] == "started" and (turn := self._turns.get(message["run"])):
            turn.pid = message["pid"]

    def _ask(
        self, future: Future[Any], function: Callable[..., Any], args: Sequence[Any], priority: int
    ) -> None:
        if future.cancelled():
            return
        try:
            link = self._connected()
            task = link.client.submit(
                function,
                *args,
                key=f"quick-{uuid4().hex}",
                pure=False,
                priority=priority,
                **link.limit("quick"),
            )
        except MaskaqError as error:
            with contextlib.suppress(InvalidStateError):
                future.set_exception(error)
            return
        task.add_done_callback(lambda _: self._do(settle, future, task))
        future.add_done_callback(lambda _: self._do(task.cancel) if future.cancelled() else None)
