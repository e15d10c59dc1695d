"""The runs that have not ended, in the order in which they are computed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.jobs.job import Record

if TYPE_CHECKING:
    from maskaq.jobs.task_result import Task


@dataclass(eq=False)
class Job:
    """A run that has not ended.

    record: as it was queued. priority: higher ones first. root: folder of runs it is stored in;
    None for that of the app. shares: whether its samples are tasks of their own. task: its Dask
    task, once it was handed out. batches: the tasks of its samples. pid: of its process, once it
    has started.
    """

    record: Record
    priority: int = 0
    root: Path | None = None
    shares: bool = False
    tries: int = 0
    task: Task | None = None
    batches: dict[str, Task] = field(default_factory=dict)
    pid: int = 0

    def reset(self) -> None:
        """Back to waiting, for another try."""
        self.task, self.batches, self.pid = None, {}, 0


class JobQueue:
    """Jobs by the id of their record; within a priority in the order in which they were added."""

    def __init__(self) -> None:
        self._jobs: dict[str, tuple[tuple[int, int], Job]] = {}
        self._number = itertools.count()
        self._lock = threading.Lock()

    def add(self, jobs: Iterable[Job]) -> None:
        """Add jobs after those of the same priority and before those of a lower one."""
        with self._lock:
            for job in jobs:
                self._jobs[job.record.id] = (-job.priority, next(self._number)), job

    def get(self, name: str) -> Job | None:
        """The job of an id; None if it has ended."""
        return self._jobs.get(name, (None, None))[1]

    def remove(self, job: Job) -> bool:
        """Remove a job that has ended; False if it was removed before."""
        with self._lock:
            return self._jobs.pop(job.record.id, None) is not None

    def all(self) -> list[Job]:
        """All jobs, the next one first."""
        with self._lock:
            return [job for _, job in sorted(self._jobs.values(), key=lambda entry: entry[0])]

    def waiting(self) -> list[Job]:
        """The jobs that were not handed to Dask."""
        return [job for job in self.all() if job.task is None]

    def handed_out(self) -> list[Job]:
        """The jobs that were handed to Dask."""
        return [job for job in self.all() if job.task is not None]
