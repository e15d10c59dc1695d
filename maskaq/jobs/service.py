"""Runs in worker processes: started, watched and cancelled by the session that owns them.

An owner is any string that identifies a session. Nothing here waits, and neither torch nor
Streamlit is imported. `dispatcher` describes how runs reach the workers, `connection` the
environment variables.
"""

import os
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any
from uuid import uuid4

from maskaq.config import RunSpec
from maskaq.config.ablation import LIMIT, Cell
from maskaq.errors import RunError
from maskaq.jobs import connection, worker
from maskaq.jobs.dispatcher import Dispatcher
from maskaq.jobs.job import Record, Records
from maskaq.jobs.run_tasks import RUN
from maskaq.jobs.sweep import sharing
from maskaq.queries.table import QUICK
from maskaq.results import paths

_MOST_WAITING = 50  # runs of all sessions
_MOST_ASKED = 32  # unanswered questions
_SWEEP, _SINGLE, _QUICK = -1, 0, 10  # priorities
_ABSENT = 300.0  # seconds without a sign of a visitor after which others go first
LEFT = (
    "the page was closed for more than five minutes while others waited, so the run was stopped; "
    "press Run to start it again."
)
READONLY = (
    "this server shows stored results only (MASKAQ_READONLY=1); install maskaq to compute your own."
)


def readonly() -> bool:
    """Whether this server shows stored results only: `MASKAQ_READONLY=1`."""
    return os.environ.get("MASKAQ_READONLY", "") == "1"


class Runs:
    """The runs of all sessions of this process, and what a session may do with them.

    Args:
        items: what a run does, see `worker.work`.
    """

    def __init__(self, items: str = RUN) -> None:
        self._records = Records()
        self._dispatcher = Dispatcher(self._records, items)
        self._lock = threading.Lock()
        self._sweeps: set[str] = set()  # ids of the runs of grids
        self._seen: dict[str, float] = {}  # when each session last asked for its runs
        self._asked = 0

    def start(self, owner: str, spec: RunSpec, *, origin: str = "") -> str:
        """Queue a run and return its id at once.

        Args:
            origin: kept in its record.

        Raises:
            RunError: the server is read-only or full, this session has an unfinished run, or the
                result could not be stored.
            OptionError: MASKAQ_WORKERS or MASKAQ_SCHEDULER is invalid.
        """
        return self._queue(owner, [spec], _SINGLE, origin)[0]

    def sweep(self, owner: str, cells: Sequence[Cell]) -> list[str]:
        """Queue the runs of a grid after all single runs. Returns ids in the order of the cells.

        Raises:
            RunError: as `start`, or the grid is too large. OptionError: as `start`.
        """
        if len(cells) > LIMIT:
            raise RunError(f"the grid has {len(cells)} cells; allowed: {LIMIT}.")
        return self._queue(owner, [cell.spec for cell in cells], _SWEEP)

    def get(self, owner: str, id: str) -> Record:
        """The present state of a run of this session.

        Raises:
            RunError: this session has no such run.
        """
        return self._records.get(owner, id)

    def runs_of(self, owner: str) -> list[Record]:
        """All known runs of this session, oldest first.

        A page asks all the time, which shows that its visitor is there.
        """
        records = self._records.all()
        self._seen[owner] = time.monotonic()
        self._make_way(records)
        return [record for record in records if record.owner == owner]

    def swept(self, owner: str) -> list[Record]:
        """Those of them that belong to a grid, oldest first."""
        return [record for record in self.runs_of(owner) if record.id in self._sweeps]

    def move(self, owner: str, to: str) -> None:
        """Give the runs of a session to another name of the same visitor."""
        self._records.move(owner, to)

    def cancel(self, owner: str, id: str) -> None:
        """Stop a run within a second; a run that has ended is left as it is.

        Raises:
            RunError: this session has no such run.
        """
        self._dispatcher.cancel(self.get(owner, id).id)

    def position(self, id: str) -> int:
        """Place in the queue, 1 for the next; 0 for a run that is running or has ended."""
        waiting = self._dispatcher.waiting()
        return waiting.index(id) + 1 if id in waiting else 0

    def quick(self, name: str, **arguments: Any) -> Future[Any]:
        """`QUICK[name](**arguments)` in a worker, beside the runs.

        Cancelling the future withdraws the question, unless it is being answered already. Its
        exception is a `MaskaqError` that can be shown.

        Raises:
            OptionError: no function of that name, or as `start`.
            RunError: the server is read-only or busy.
        """
        QUICK[name]
        _check()
        with self._lock:
            if self._asked >= _MOST_ASKED:
                raise RunError("too many questions at once; wait a few seconds and try again.")
            self._asked += 1
        future = self._dispatcher.ask(worker.answer, name, arguments, priority=_QUICK)
        future.add_done_callback(self._answered)
        return future

    def warm(self) -> None:
        """Start the processes and load torch there, in the background, unless read-only."""
        if not readonly():
            self._dispatcher.ask(worker.warm, priority=_QUICK)

    def close(self) -> None:
        """End our processes; unfinished runs are lost. A later `start` starts them again."""
        self._dispatcher.close()

    def _queue(
        self, owner: str, specs: Sequence[RunSpec], priority: int, origin: str = ""
    ) -> list[str]:
        _check()
        paths.check_writable()
        grid = priority == _SWEEP
        with self._lock:
            mine = [record.id for record in self.runs_of(owner) if record.active]
            if any((name in self._sweeps) == grid for name in mine):
                what = "a grid of runs" if grid else "a run"
                raise RunError(f"you have {what} that has not ended; wait for it, or cancel it.")
            waiting = len(self._dispatcher.waiting())
            if waiting + len(specs) > _MOST_WAITING:
                raise RunError(
                    f"{waiting} runs are waiting and {len(specs)} more would be too many; allowed: "
                    f"{_MOST_WAITING}. Try again later."
                )
            records = [Record(uuid4().hex, owner, spec, origin=origin) for spec in specs]
            names = [record.id for record in records]
            self._sweeps = {name for name in self._sweeps if self._records.peek(name)}
            self._sweeps.update(names if grid else ())
            owners = {owner, *(record.owner for record in self._records.all())}
            self._seen = {name: self._seen[name] for name in owners if name in self._seen}
            self._dispatcher.add(records, priority, shared=sharing(records))
        return names

    def _make_way(self, records: Sequence[Record]) -> None:
        """Stop the single runs of visitors who have left, if one who is here waits for a worker."""
        since = time.monotonic() - _ABSENT
        single = [record for record in records if record.active and record.id not in self._sweeps]
        left = [record for record in single if self._seen.get(record.owner, since) <= since]
        if left and any(record.state == "queued" for record in single if record not in left):
            for record in left:
                self._dispatcher.cancel(record.id, "lost", error=LEFT)

    def _answered(self, _: Future[Any]) -> None:
        with self._lock:
            self._asked -= 1


def _check() -> None:
    if readonly():
        raise RunError(READONLY)
    connection.Settings.read()


_SHARED = Runs()  # by all sessions; it starts processes when they are first needed
start, sweep, cancel = _SHARED.start, _SHARED.sweep, _SHARED.cancel
get, runs_of, position = _SHARED.get, _SHARED.runs_of, _SHARED.position
swept, move = _SHARED.swept, _SHARED.move
quick, warm, close = _SHARED.quick, _SHARED.warm, _SHARED.close
