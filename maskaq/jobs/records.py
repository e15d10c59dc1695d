"""What the app knows of its runs: one record each, seen only by the session that started it.

A record is never changed, only replaced by a newer one, so that a page may read it while the next
message comes in. What workers report are messages of plain values, `Mailer` in `worker.py` writes
them and `after` reads them:

    started   pid                                    also when Dask starts a run a second time
    progress  stage, step, total, seconds, rows, problems, pictures
"""

from __future__ import annotations

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs.progress import Progress

__all__ = ["ACTIVE", "Record", "Records", "after", "pack", "unpack"]

ACTIVE = ("queued", "running")
_KEPT = 128  # records; a page finds older runs where they are stored
_ROWS = 5000  # of one record
_SIDE = 96  # pixels a picture keeps on its way to the page
_QUALITY = 80

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Record:
    """One run as its session sees it.

    state: `"queued"`, `"running"`, `"finished"`, `"failed"`, `"cancelled"` or `"lost"` (the
    processes that computed it are gone). rows: one dict per event that measured something, with its
    stage and step. images: the latest ones, uint8 [n,3,S,S], reduced to 96 pixels. problems: what
    went wrong without ending the run. error: why it failed or was lost. folder: where it is stored.
    origin: where it was started, in the words of who started it.
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
        """Whether it is still to end."""
        return self.state in ACTIVE


def after(record: Record, message: Mapping[str, Any]) -> Record:
    """The record once a message of its run has come in; one that has ended stays as it is."""
    if not record.active:
        return record
    if message["kind"] == "started":  # again from the first step, if a worker died on the way
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
    """Pictures [n,3,S,S] from `pack`, as good as WebP kept them."""
    with Image.open(io.BytesIO(data), formats=("WEBP",)) as strip:
        pixels = np.asarray(strip.convert("RGB"))  # [n*S,S,3]
    side = pixels.shape[1]
    return pixels.reshape(count, side, side, 3).transpose(0, 3, 1, 2)


class Records:
    """Records by id, oldest first; a bounded number, of which those that ended go first."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._records: dict[str, Record] = {}

    def add(self, record: Record) -> None:
        with self._lock:
            self._records[record.id] = record
            ended = [known.id for known in self._records.values() if not known.active]
            for name in ended[: max(0, len(self._records) - _KEPT)]:
                del self._records[name]

    def get(self, owner: str, name: str) -> Record:
        """A session's own record.

        Raises:
            RunError: there is none of that name; the same if it is another session's.
        """
        record = self.peek(name)
        if record is None or record.owner != owner:
            raise RunError(f"there is no run {name!r} here; it may have been started elsewhere.")
        return record

    def peek(self, name: str) -> Record | None:
        """A record, whoever owns it: not for pages."""
        with self._lock:
            return self._records.get(name)

    def all(self) -> list[Record]:
        """All records, oldest first: not for pages."""
        with self._lock:
            return list(self._records.values())

    def note(self, message: Mapping[str, Any]) -> None:
        """Take in a message of a run."""
        with self._lock:
            if record := self.peek(message["run"]):
                self._records[record.id] = after(record, message)

    def end(self, name: str, state: str, **what: Any) -> bool:
        """Close a record; False, and nothing changes, if it had ended before."""
        with self._lock:
            record = self.peek(name)
            if record is None or not record.active:
                return False
            self._records[name] = replace(record, state=state, **what)
            return True
