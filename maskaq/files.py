"""Atomic writing of files, their checksums, and errors in reading them."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from maskaq.errors import RunError


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block succeeds.

    The temporary file is flushed to disk first, so that not even a power failure leaves a partial
    file. If the block raises, the temporary file is removed and an existing file stays unchanged.

    Raises:
        OSError: the temporary file cannot be written or renamed.
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


@contextmanager
def reading(path: Path, remedy: str, *others: type[Exception]) -> Iterator[None]:
    """While open, the errors that a damaged file causes become a `RunError`.

    remedy: what to do about it. others: further types of errors.
    """
    usual: tuple[type[Exception], ...] = (OSError, ValueError, KeyError, TypeError, AttributeError)
    try:
        yield
    except usual + others as error:
        what = f"{type(error).__name__}: {error}"
        raise RunError(f"{path} cannot be read ({what}); {remedy}.") from error


def sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp(path: str | Path) -> tuple[int, int] | None:
    """Time of the last change in nanoseconds and size in bytes; None if there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # the latter for a name with a zero byte
        return None
    return status.st_mtime_ns, status.st_size


def split_key(path: str | Path) -> tuple[Path, str]:
    """A path, and what follows its last `#`, as in `checkpoint.pt#student`; "" without it.

    A file whose own name has a `#` is found as it is.
    """
    file, mark, key = str(path).rpartition("#")
    if not mark or os.path.exists(path):  # unlike `Path.exists`, for any text
        return Path(path), ""
    return Path(file), key
