"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["atomic_write", "stamp"]


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A draft beside a file, which takes the file's place once the block has ended well.

    It is on the disk by then, so that not even a power cut leaves half of a file. If the block
    fails the draft is removed, and a file that was there before stays.

    Raises:
        OSError: the draft cannot be written, or cannot take the file's place.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Time of the last change in nanoseconds and size in bytes; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
