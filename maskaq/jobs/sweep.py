"""A sweep: many runs over the workers of a Dask cluster, each stored as soon as it is done.

The folder of a sweep has one folder per run, named after a hash of its spec, and for a run that
failed a JSON file with its spec and its traceback. What is finished is not done again, what failed
is tried anew. Runs that draw the same samples share them, and the batches of a synthesis are spread
over the workers; neither changes a bit of any result.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from maskaq.config import RunSpec
from maskaq.config.parsing import to_json
from maskaq.config.sample_key import batches, sample_key
from maskaq.errors import RunError
from maskaq.files import atomic_write
from maskaq.jobs import file_transfer, sweep_tasks, task_result
from maskaq.jobs.connection import Processes
from maskaq.results import manifest, paths, store

if TYPE_CHECKING:
    from maskaq.jobs.task_result import Task

__all__ = ["Outcome", "Planned", "plan", "sweep"]

_TRIES = 2  # of a run that fails for a reason nobody foresaw
_LOOK = 1.0  # seconds between two looks whether the scheduler is still there
_AHEAD = 2  # runs per worker that are handed out: enough that none waits for the next
GONE = (
    "the scheduler is gone; what is finished is stored, and the same command goes on once there is "
    "one again."
)
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Planned:
    """A run of a sweep. folder: where it will be stored. finished: whether it is there already."""

    spec: RunSpec
    folder: Path
    finished: bool

    @property
    def failure(self) -> Path:
        """Where its error is written, if it fails."""
        return self.folder.with_suffix(".failed.json")


@dataclass
class Outcome:
    """How a sweep ended. failed: why, by the folder in which the run would have been."""

    finished: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def plan(specs: Sequence[RunSpec], out: Path) -> list[Planned]:
    """The runs of a sweep in the order of their samples, those that share them together."""
    made = [_planned(spec, out) for spec in specs]
    order: dict[str, int] = {}
    for one in made:
        order.setdefault(sample_key(one.spec), len(order))
    return sorted(made, key=lambda one: order[sample_key(one.spec)])


def _planned(spec: RunSpec, out: Path) -> Planned:
    folder = out / paths.name_of(spec)
    try:
        known = manifest.read(folder).summary["spec"]
    except (RunError, KeyError):
        return Planned(spec, folder, False)
    return Planned(spec, folder, known == json.loads(to_json(spec)))


def sweep(runs: Sequence[Planned], link: Processes, report: Report) -> Outcome:
    """Do the runs that are not finished; what fails is recorded while the others go on.

    Args:
        runs: from `plan`.
        report: called with the portions done, all portions, and what has just ended in words. A
            portion is a batch of samples or a run.

    Raises:
        RunError: nobody is left to compute, or a result cannot be stored.
    """
    return _Sweep([one for one in runs if not one.finished], link, report).work()


class _Sweep:
    """tasks: what was handed out, with the run it stands for; None for a batch of samples."""

    def __init__(self, runs: Sequence[Planned], link: Processes, report: Report) -> None:
        self.link, self.report, self.outcome = link, report, Outcome()
        self.waiting: Iterator[Planned] = iter(runs)
        self.users = Counter(sample_key(one.spec) for one in runs)  # of samples, yet to end
        self.parts: dict[str, dict[str, Task]] = {}
        self.given: dict[Path, dict[str, Task]] = {}  # the parts that a run was handed
        self.parcels: dict[str, Task] = {}  # by path
        self.tasks: dict[Task, Planned | None] = {}
        self.tries: dict[Path, int] = {}
        drawn = {sample_key(one.spec): len(batches(one.spec)) for one in runs}
        self.ended: SimpleQueue[Task] = SimpleQueue()
        self.total, self.done = len(runs) + sum(drawn.values()), 0

    def work(self) -> Outcome:
        try:
            self.hand_out()
            while self.tasks:
                with suppress(Empty):
                    self.take(self.ended.get(timeout=_LOOK))
                    self.hand_out()
                if not self.link.running:
                    raise RunError(GONE)
        finally:
            for task in self.tasks:
                task.cancel()
        return self.outcome

    def hand_out(self) -> None:
        """So many runs that every worker has one and knows the next."""
        workers = max(1, len(self.link.client.scheduler_info(n_workers=-1)["workers"]))
        room = _AHEAD * workers - sum(one is not None for one in self.tasks.values())
        for one in itertools.islice(self.waiting, max(0, room)):
            self.submit(one)

    def submit(self, one: Planned) -> None:
        self.tries[one.folder] = self.tries.get(one.folder, 0) + 1
        parts = self.drawn(one.spec)
        task = self.link.client.submit(
            sweep_tasks.run_cell,
            json.dumps(asdict(one.spec)),
            parts,
            self.sent(one.spec),
            key=f"run-{uuid4().hex}",
            pure=False,
            **self.link.limit("run"),
        )
        self.given[one.folder] = parts
        self.watch(task, one)

    def watch(self, task: Task, one: Planned | None) -> None:
        self.tasks[task] = one
        task.add_done_callback(self.ended.put)  # in a thread of Dask's

    def drawn(self, spec: RunSpec) -> dict[str, Task]:
        """The batches of its samples by name, drawn or to be drawn."""
        key = sample_key(spec)
        if key not in self.parts:
            text = json.dumps(asdict(spec))
            self.parts[key] = {
                f"batch{first}": self.link.client.submit(
                    sweep_tasks.draw_batch,
                    text,
                    first,
                    self.sent(spec),
                    key=f"draw-{uuid4().hex}",
                    pure=False,
                    **self.link.limit("run"),
                )
                for first in batches(spec)
            }
            for task in self.parts[key].values():
                self.watch(task, None)
        return self.parts[key]

    def sent(self, spec: RunSpec) -> dict[str, Task]:
        """Its files on their way to workers that may be on other machines; ours need none."""
        if self.link.own is not None:
            return {}
        paths = {name: getattr(spec, name) for name in file_transfer.FIELDS if getattr(spec, name)}
        for path in paths.values():
            if path not in self.parcels:
                packed = file_transfer.pack(Path(path))
                (self.parcels[path],) = self.link.client.scatter([packed], hash=False)
        return {name: self.parcels[path] for name, path in paths.items()}

    def take(self, task: Task) -> None:
        """What has ended: a result to store, an error to record, or a run to try again."""
        one = self.tasks.pop(task)
        if one is None:
            self.tell("samples")
            return
        ended, tries = task_result.outcome(task), self.tries[one.folder]
        task.release()
        final = ended.get("foreseen") and ended.get("ended") != "lost"  # would say the same again
        if "files" in ended:
            store.write(ended["files"], one.folder)
            one.failure.unlink(missing_ok=True)
            self.outcome.finished += 1
            self.close(one, "finished")
        elif final or tries >= _TRIES:
            _record(one, ended, tries)
            self.outcome.failed[one.folder] = task_result.say(ended)
            self.close(one, "failed")
        else:
            key = sample_key(one.spec)
            if "part" in ended and self.parts.get(key) is self.given[one.folder]:
                del self.parts[key]  # drawn anew, for all who wait for it
            self.submit(one)

    def close(self, one: Planned, how: str) -> None:
        key = sample_key(one.spec)
        del self.given[one.folder]  # Dask keeps samples for as long as anybody here refers to them
        self.users[key] -= 1
        if not self.users[key]:  # nobody needs these samples any more
            self.parts.pop(key, None)
        self.tell(f"{one.folder.name} {how}")

    def tell(self, what: str) -> None:
        self.done += 1
        self.report(self.done, self.total, what)


def _record(one: Planned, ended: dict[str, Any], tries: int) -> None:
    """Why a run failed, beside where it would have been."""
    about = {
        "kind": ended["kind"],
        "message": ended["message"],
        "traceback": ended["traceback"],
        "tries": tries,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec": asdict(one.spec),
    }
    one.failure.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(one.failure) as draft:
        draft.write_text(json.dumps(about, indent=1))
