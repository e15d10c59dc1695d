"""The inputs of runs as Dask tasks: batches of samples that several runs share, and files.

Used by the dispatcher alone, in its own thread.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING
from uuid import uuid4

from maskaq.config import RunSpec
from maskaq.config.sample_key import batches, sample_key
from maskaq.jobs import file_transfer, worker

if TYPE_CHECKING:
    from maskaq.jobs.connection import Processes
    from maskaq.jobs.task_result import Task

Tasks = dict[str, "Task"]


class SharedSamples:
    """Each batch of samples is synthesized once and kept by Dask until no run needs it.

    Args:
        done: called with the task of each batch that has ended, in a thread of Dask.
    """

    def __init__(self, done: Callable[[Task], object]) -> None:
        self._done = done
        self._users: Counter[str] = Counter()  # runs that still need the samples, by their key
        self._batches: dict[str, Tasks] = {}
        self._files: Tasks = {}  # by path

    def expect(self, specs: Iterable[RunSpec]) -> None:
        """Announce runs that are going to ask for their samples."""
        self._users.update(sample_key(spec) for spec in specs)

    def of(self, spec: RunSpec, link: Processes) -> Tasks:
        """The batches of a run's samples by name, finished or not."""
        key = sample_key(spec)
        if key not in self._batches:
            self._batches[key] = {
                f"batch{first}": link.client.submit(
                    worker.batch,
                    json.dumps(asdict(spec)),
                    first,
                    self.files_of(spec, link),
                    key=f"batch-{uuid4().hex}",
                    pure=False,
                    **link.limit("run"),
                )
                for first in batches(spec)
            }
            for task in self._batches[key].values():
                task.add_done_callback(self._done)
        return self._batches[key]

    def files_of(self, spec: RunSpec, link: Processes) -> Tasks:
        """The files of a run, sent to workers on other machines; our own workers need none."""
        if link.own is not None:
            return {}
        paths = file_transfer.paths_of(spec)
        for name, path in paths.items():
            if path not in self._files:
                packed = file_transfer.pack(path, name)
                (self._files[path],) = link.client.scatter([packed], hash=False)
        return {name: self._files[path] for name, path in paths.items()}

    def retry(self, spec: RunSpec, failed: Tasks) -> None:
        """Synthesize the samples again, for all runs that need them, if these are still current."""
        key = sample_key(spec)
        if self._batches.get(key) is failed:
            del self._batches[key]

    def release(self, spec: RunSpec) -> list[Task]:
        """A run needs its samples no longer; returns the unfinished batches that no run needs."""
        key = sample_key(spec)
        self._users[key] -= 1
        if self._users[key] > 0:
            return []
        del self._users[key]
        return [task for task in self._batches.pop(key, {}).values() if not task.done()]

    def forget(self) -> None:
        """Drop all tasks: the connection is gone."""
        self._batches.clear()
        self._files.clear()
