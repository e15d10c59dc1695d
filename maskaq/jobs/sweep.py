"""A sweep: many runs over the workers of a Dask cluster, each stored as soon as it is finished.

The folder of a sweep has one folder per run, named by the identity of the run, and for a run that
failed a JSON file with its spec and traceback. A repeated sweep skips what is finished and tries
again what failed. Runs with the same samples share them, and the batches of a synthesis are spread
over the workers; neither changes a bit of any result.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from uuid import uuid4

from maskaq.config import RunSpec
from maskaq.config.sample_key import batches, sample_key
from maskaq.errors import RunError
from maskaq.jobs.connection import Processes
from maskaq.jobs.dispatcher import Dispatcher
from maskaq.jobs.job import Record, Records
from maskaq.results import failures, manifest, paths

_PERIOD = 1.0  # seconds between two checks of the connection
GONE = (
    "the scheduler is gone; finished runs are stored, and the same command resumes once there is a "
    "scheduler again."
)
Report = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Planned:
    """A run of a sweep. folder: where it is or will be stored. finished: whether it is stored."""

    spec: RunSpec
    folder: Path
    finished: bool

    @property
    def failure(self) -> Path:
        """The file of its error, if it fails."""
        return failures.path_of(self.folder)


@dataclass
class Outcome:
    """The end of a sweep. failed: the reasons, by the folders the runs would have had."""

    finished: int = 0
    failed: dict[Path, str] = field(default_factory=dict)


def plan(specs: Sequence[RunSpec], out: Path) -> list[Planned]:
    """The runs of a sweep, each once, ordered so that runs with the same samples are adjacent."""
    planned = {one.folder: one for one in (_planned(spec, out) for spec in specs)}
    order: dict[str, int] = {}
    for one in planned.values():
        order.setdefault(sample_key(one.spec), len(order))
    return sorted(planned.values(), key=lambda one: order[sample_key(one.spec)])


def _planned(spec: RunSpec, out: Path) -> Planned:
    folder = paths.folder_of(spec, out)
    try:
        manifest.read(folder)
    except RunError:
        return Planned(spec, folder, False)
    return Planned(spec, folder, True)


def sharing(records: Iterable[Record]) -> set[str]:
    """Ids of the runs whose samples another of them needs too."""
    keys = {record.id: sample_key(record.spec) for record in records if batches(record.spec)}
    users = Counter(keys.values())
    return {name for name, key in keys.items() if users[key] > 1}


def sweep(runs: Sequence[Planned], link: Processes, report: Report) -> Outcome:
    """Do the runs that are not finished; an error is recorded, and the other runs continue.

    Args:
        runs: from `plan`.
        report: called with the number of parts done, of all parts, and a description of the last
            one. A part is a batch of samples or a run.

    Raises:
        RunError: the connection is lost, or a result cannot be stored.
    """
    left = {uuid4().hex: one for one in runs if not one.finished}
    drawn = {sample_key(one.spec): len(batches(one.spec)) for one in left.values()}
    total, done = len(left) + sum(drawn.values()), 0
    ended: SimpleQueue[str] = SimpleQueue()  # ids of runs, "" for a batch
    records, outcome = Records(), Outcome()
    dispatcher = Dispatcher(
        records, link=link, on_batch=lambda: ended.put(""), on_end=lambda name: ended.put(name)
    )
    try:
        for name, one in left.items():
            queued = [Record(name, "sweep", one.spec)]
            dispatcher.add(queued, root=one.folder.parent, shared=[name])
        while left:
            name = _next(ended, link)
            done += 1
            if name:
                one = left.pop(name)
                report(done, total, f"{one.folder.name} {_close(one, records.pop(name), outcome)}")
            else:
                report(done, total, "samples")
    finally:
        dispatcher.close()
    return outcome


def _next(ended: SimpleQueue[str], link: Processes) -> str:
    """The next id in the queue, as long as the connection lasts."""
    while True:
        with suppress(Empty):
            return ended.get(timeout=_PERIOD)
        if not link.running:
            raise RunError(GONE)


def _close(one: Planned, record: Record, outcome: Outcome) -> str:
    """Count a run that has ended; returns how it ended."""
    if record.state == "finished":
        outcome.finished += 1
    elif one.failure.is_file():
        outcome.failed[one.folder] = record.error or record.state
    else:  # neither the run nor its error could be stored, or there is nothing to compute on
        raise RunError(GONE if record.state == "lost" else record.error)
    return record.state
