"""The state of queued and running runs: one record each, visible only to its owner.

A record is never changed, only replaced by a newer one, so that a page can read it while the next
message arrives. Workers report by messages of plain values, which `worker.Mailer` writes and
`after` reads:

    started   pid                                    also when a run is started a second time
    progress  stage, step, total, seconds, rows, problems, pictures
"""

import io
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskaq.config import RunSpec
from maskaq.errors import RunError

ACTIVE = ("queued", "running")
_KEPT = 128  # records; older runs are found where they are stored
_ROWS = 5000  # of one record
_SIDE = 96  # pixels of a picture on its way to the page
_QUALITY = 80

Images = NDArray[np.uint8]


@dataclass(frozen=True)
class Progress:
    """The progress of one stage: steps done, of how many, and the seconds they took.

    >>> Progress("fit", 2, 8, seconds=4.0).left
    12.0
    """

    stage: str = ""
    step: int = 0
    total: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """Share of the stage that is done, 0..1."""
        return min(self.step / self.total, 1.0) if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left in the stage at its pace so far; None before its first step."""
        return self.seconds / self.step * (self.total - self.step) if self.step else None


@dataclass(frozen=True, eq=False)
class Record:
    """One run as its owner sees it.

    state: `"queued"`, `"running"`, `"finished"`, `"failed"`, `"cancelled"` or `"lost"` (the
    processes that computed it are gone). rows: one dict per event with metrics, with its stage and
    step. images: the latest ones, uint8 [n,3,S,S], at most 96 pixels wide. problems: warnings.
    error: why it failed or was lost. folder: where it is stored. origin: where it was started, as
    given by its owner.
    """

    id: str
    owner: str = field(repr=False)  # the key of a browser tab: not for logs
    spec: RunSpec
    state: str = "queued"
    progress: Progress = field(default_factory=Progress)
    rows: list[dict[str, Any]] = field(default_factory=list, repr=False)
    images: Images | None = field(default=None, repr=False)
    problems: list[str] = field(default_factory=list)
    error: str | None = None
    folder: Path | None = None
    origin: str = ""

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.state in ACTIVE


def after(record: Record, message: Mapping[str, Any]) -> Record:
    """The record after a message of its run; a record that has ended does not change."""
    if not record.active:
        return record
    if message["kind"] == "started":  # from the first step, also after a worker died
        return Record(record.id, record.owner, record.spec, "running", origin=record.origin)
    where = (message[name] for name in ("stage", "step", "total", "seconds"))
    pictures = message["pictures"]
    return replace(
        record,
        progress=Progress(*where),
        rows=[*record.rows, *message["rows"]][-_ROWS:],
        problems=[*record.problems, *message["problems"]],
        images=unpack(*pictures) if pictures else record.images,
    )


def pack(images: Images) -> tuple[bytes, int]:
    """Pictures [n,3,S,S] as one small WebP strip, and their number."""
    n, _, side, _ = images.shape
    strip = Image.fromarray(images.transpose(0, 2, 3, 1).reshape(n * side, side, 3))
    if side > _SIDE:
        strip = strip.resize((_SIDE, n * _SIDE))
    stream = io.BytesIO()
    strip.save(stream, "WEBP", quality=_QUALITY)
    return stream.getvalue(), n


def unpack(data: bytes, count: int) -> Images:
    """Pictures [n,3,S,S] from `pack`, with WebP's loss."""
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as strip:
        pixels = np.asarray(strip.convert("RGB"))  # [n*S,S,3]
    side = pixels.shape[1]
    return pixels.reshape(count, side, side, 3).transpose(0, 3, 1, 2)


class Records:
    """Records by id, oldest first. Beyond a limit, the oldest that have ended are forgotten."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}

    def add(self, records: Iterable[Record]) -> None:
        """Add new records."""
        with self._lock:
            self._records |= {record.id: record for record in records}
            ended = [known.id for known in self._records.values() if not known.active]
            for name in ended[: max(0, len(self._records) - _KEPT)]:
                del self._records[name]

    def get(self, owner: str, name: str) -> Record:
        """An owner's record.

        Raises:
            RunError: this owner has no run of that name.
        """
        record = self.peek(name)
        if record is None or record.owner != owner:
            raise RunError(f"there is no run {name!r} here; it may have been started elsewhere.")
        return record

    def peek(self, name: str) -> Record | None:
        """A record of any owner: not for pages."""
        with self._lock:
            return self._records.get(name)

    def all(self) -> list[Record]:
        """The records of all owners, oldest first: not for pages."""
        with self._lock:
            return list(self._records.values())

    def move(self, owner: str, to: str) -> None:
        """Give all records of an owner to another one."""
        with self._lock:
            for record in self.all():
                if record.owner == owner:
                    self._records[record.id] = replace(record, owner=to)

    def pop(self, name: str) -> Record:
        """Forget a record and return it."""
        with self._lock:
            return self._records.pop(name)

    def note(self, message: Mapping[str, Any]) -> None:
        """Apply a message of a run."""
        with self._lock:
            if record := self.peek(message["run"]):
                self._records[record.id] = after(record, message)

    def end(self, name: str, state: str, **values: Any) -> bool:
        """End a record. False, without a change, if it had ended before."""
        with self._lock:
            record = self.peek(name)
            if record is None or not record.active:
                return False
            self._records[name] = replace(record, state=state, **values)
            return True
