"""The queue of runs, and the one thread that talks to Dask.

Runs wait here until a worker is free, because Dask blames every task that waits on a worker when
that worker dies, and stopping a run may have to kill one. Everything that happens to a run happens
in order in that thread, and no page ever waits for Dask.

A run is stopped in two steps. Dask's `cancel` alone would let it run to its end and occupy its
worker. So a Dask event asks it to stop between two steps, which is mostly enough; if it is not, the
process is killed and Dask starts another. The scheduler knows which process that is: while it loads
torch, the run itself may not be able to send a message for seconds.

A run that fails for an unforeseen reason, or whose worker dies, is tried once more.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from maskaq.errors import MaskaqError, RunError
from maskaq.jobs import connection, worker
from maskaq.jobs.job import Record, Records
from maskaq.jobs.job_queue import Job, JobQueue
from maskaq.jobs.run_tasks import RUN
from maskaq.jobs.shared_samples import SharedSamples
from maskaq.jobs.task_result import LOST, message_of, outcome, settle
from maskaq.results import failures, paths, store

if TYPE_CHECKING:
    from maskaq.jobs.task_result import Task

_LOG = logging.getLogger(__name__)
_GRACE = 0.6  # seconds for a run to stop between two steps
_FOREIGN = 50  # runs given at once to a scheduler that is not ours, which has its own queue
_TRIES = 2  # of a run that fails for an unforeseen reason


class Dispatcher:
    """Gives runs and questions to workers, keeps the records up to date, and stores the results.

    Args:
        items: what a run does, see `worker.work`.
        link: an open connection, which stays open; by default one as the environment says.
        on_batch, on_end: called when a batch of samples, or the run of an id, has ended.
    """

    def __init__(
        self,
        records: Records,
        items: str = RUN,
        *,
        link: connection.Processes | None = None,
        on_batch: Callable[[], object] = lambda: None,
        on_end: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._records, self._items, self._given = records, items, link
        self._on_batch, self._on_end = on_batch, on_end
        self._samples = SharedSamples(lambda task: self._do(self._on_batch))
        self._queue = JobQueue()
        self._topic = f"maskaq-{uuid4().hex}"
        self._link: connection.Processes | None = None
        self._closing = False
        self._pool = ThreadPoolExecutor(1, "maskaq-dask")

    def add(
        self,
        records: Sequence[Record],
        priority: int = 0,
        *,
        root: Path | None = None,
        shared: Collection[str] = (),
    ) -> None:
        """Queue runs after those of the same priority and before those of a lower one.

        Args:
            root: folder of runs they are stored in; by default that of the app.
            shared: ids of the runs whose samples are synthesized batch by batch, on any worker,
                and shared with each other; the others synthesize theirs themselves.
        """
        self._closing = False
        self._records.add(records)
        jobs = [Job(record, priority, root, record.id in shared) for record in records]
        self._queue.add(jobs)
        self._do(self._samples.expect, [job.record.spec for job in jobs if job.shares])
        self._do(self._hand_out)

    def waiting(self) -> list[str]:
        """Ids of the runs that have not started, the next one first."""
        known = (self._records.peek(job.record.id) for job in self._queue.all())
        return [record.id for record in known if record and record.state == "queued"]

    def cancel(self, name: str, state: str = "cancelled", **values: Any) -> None:
        """End the record at once, in this state and with these values, and stop the run."""
        if self._records.end(name, state, **values):
            self._do(self._stop, name)

    def ask(
        self, function: Callable[..., dict[str, Any]], *args: Any, priority: int
    ) -> Future[Any]:
        """Submit `function(*args)` of the module `worker`, which returns a value or an error."""
        future: Future[Any] = Future()
        self._do(self._ask, future, function, args, priority)
        return future

    def close(self) -> None:
        """End the connection, and the processes if they are ours; unfinished runs are lost."""
        self._closing = True
        self._do(self._hang_up).result()

    def _do(self, action: Callable[..., object], *args: Any) -> Future[None]:
        def safely() -> None:
            try:
                action(*args)
            except Exception:  # the pool would swallow it
                _LOG.exception("a message to or from the workers failed")

        try:
            return self._pool.submit(safely)
        except RuntimeError:  # the interpreter is shutting down
            ended: Future[None] = Future()
            ended.set_result(None)
            return ended

    # From here on: in the thread that talks to Dask.

    def _connected(self) -> connection.Processes:
        if self._link is None or not self._link.running:
            self._hang_up(everything=False)
            if self._given is not None and not self._given.running:
                raise RunError(LOST)
            self._link = self._given or connection.reach()
            self._link.client.subscribe_topic(self._topic, lambda event: self._note(event[1]))
        return self._link

    def _hang_up(self, everything: bool = True) -> None:
        """Lose the runs that were handed out, and with `everything` also those that wait."""
        self._samples.forget()
        for job in self._queue.all() if everything else self._queue.handed_out():
            if job.task is not None:
                job.task.cancel()
            self._end(job, "lost", error=LOST)
        link, self._link = self._link, None
        if link is not None:
            if self._given is None:
                link.close()
            elif link.running:
                link.client.unsubscribe_topic(self._topic)

    def _hand_out(self) -> None:
        """Give the next runs to the workers that are free."""
        if self._closing or not self._queue.waiting():
            return
        try:
            link = self._connected()
            ready = [job for job in self._queue.waiting() if self._active(job)]
            room = link.settings.workers if link.own else _FOREIGN
            for job in ready[: max(0, room - len(self._queue.handed_out()))]:
                try:
                    self._submit(link, job)
                except MaskaqError as error:  # of this run alone, such as a missing file
                    self._fail(job, worker.as_text(error))
        except Exception as error:
            for job in self._queue.waiting():
                self._end(job, "failed", error=message_of(worker.as_text(error)))

    def _active(self, job: Job) -> bool:
        record = self._records.peek(job.record.id)
        return record is not None and record.active

    def _submit(self, link: connection.Processes, job: Job) -> None:
        name, spec = job.record.id, job.record.spec
        job.tries += 1
        job.batches = self._samples.of(spec, link) if job.shares else {}
        job.task = link.client.submit(
            worker.work,
            json.dumps(asdict(spec)),
            name,
            self._topic,
            self._items,
            job.batches,
            self._samples.files_of(spec, link),
            key=f"run-{name}-{job.tries}",  # a key that equals an argument would wait for itself
            pure=False,
            **link.limit("run"),
        )
        task = job.task
        task.add_done_callback(lambda _: self._do(self._take, job, task))

    def _take(self, job: Job, task: Task) -> None:
        """A task has ended: store its result, try again, or record the error."""
        if self._queue.get(job.record.id) is not job or job.task is not task:
            return
        ended = outcome(task)
        # Dask would compute a result that is still referenced again if the worker died.
        task.release()
        running = self._link is not None and self._link.running
        if running:
            self._signal(job.record.id).clear()
        final = ended.get("foreseen") and ended["ended"] != "lost"  # would fail the same way
        if not self._active(job):
            self._end(job, "cancelled")
        elif ended["ended"] == "finished":
            self._store(job, ended["files"])
        elif final or job.tries >= _TRIES or not running:
            self._fail(job, ended)
        else:
            if "batch" in ended:
                self._samples.retry(job.record.spec, job.batches)
            job.reset()
        self._hand_out()

    def _store(self, job: Job, files: dict[str, bytes]) -> None:
        folder = paths.folder_of(job.record.spec, job.root)
        try:
            store.write(files, folder)
        except RunError as error:
            self._end(job, "failed", error=str(error))
            return
        failures.clear(folder)
        self._end(job, "finished", folder=folder)

    def _fail(self, job: Job, ended: dict[str, Any]) -> None:
        if self._link is not None and self._link.running:  # else it was not the run that failed
            folder = paths.folder_of(job.record.spec, job.root)
            failures.write(folder, job.record.spec, ended, job.tries)
        self._end(job, ended["ended"], error=message_of(ended))

    def _end(self, job: Job, state: str, **values: Any) -> None:
        if not self._queue.remove(job):
            return
        self._records.end(job.record.id, state, **values)
        if job.shares:
            for task in self._samples.release(job.record.spec):
                self._kill(task)
        self._on_end(job.record.id)

    def _stop(self, name: str) -> None:
        job = self._queue.get(name)
        if job is None or self._link is None:
            return
        if job.task is None or (job.shares and not job.pid):  # it has not started
            if job.task is not None:
                job.task.cancel()
            self._end(job, "cancelled")
            self._hand_out()
            return
        self._signal(name).set()
        task = job.task
        if self._link.own:
            timer = threading.Timer(_GRACE, lambda: self._do(self._kill, task))
            timer.daemon = True
            timer.start()
        elif not job.pid:
            task.cancel()

    def _kill(self, task: Task) -> None:
        """Cancel a task, and end its process if that is ours."""
        link = self._link
        if link is None or task.done():
            return
        pid = link.pid_of(task.key) if link.own else 0
        task.cancel()
        if not link.own:
            return
        link.client.processing()  # a round trip: now the scheduler will not start it again
        others = {job.pid for job in self._queue.handed_out() if job.task is not task}
        if pid and pid not in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _signal(self, name: str) -> Any:
        from distributed import Event as Signal

        assert self._link is not None
        return Signal(f"stop-{name}", client=self._link.client)

    def _note(self, message: dict[str, Any]) -> None:
        """A message of a worker, in Dask's own thread."""
        self._records.note(message)
        if message["kind"] == "started" and (job := self._queue.get(message["run"])):
            job.pid = message["pid"]

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
