"""Checkpoints: states of an unfinished run, from which a stopped run resumes.

A long stage offers its state after every step; the store decides when to keep one. A state holds
everything that decides the following steps, random generators included, so that a resumed run
ends, on a CPU, with the same bits as an uninterrupted one.
"""

import hashlib
import io
import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from maskaq.config.parsing import Every
from maskaq.errors import RunError
from maskaq.files import atomic_write

KEY = "key.json"
_FORMAT = 2  # of the files: the header, a SHA-256 of the rest, and what `torch.save` wrote
_HEADER = f"maskaq checkpoint {_FORMAT}\n".encode()
_LOG = logging.getLogger(__name__)

# Nested dicts and lists of tensors and plain values: what `torch.load(weights_only=True)` reads.
State = dict[str, Any]


class Checkpoints(Protocol):
    """A store of states, each under its own name."""

    def recall(self, name: str) -> State | None:
        """The last state kept under this name, its tensors on the CPU; None if there is none."""

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state if one is due; `make` is called only then."""

    def keep(self, name: str, state: State) -> None:
        """Keep a state now."""


class _Nowhere:
    """Keeps nothing."""

    def recall(self, name: str) -> State | None:
        return None

    def offer(self, name: str, make: Callable[[], State]) -> None:
        pass

    def keep(self, name: str, state: State) -> None:
        pass


NOWHERE: Checkpoints = _Nowhere()


class InFolder:
    """Keeps each state as a file in a folder.

    Args:
        key: everything that decides the result, plain values. States of another key are deleted.
        every: seconds or offers between two states that are kept.
        clock: for tests.
    """

    def __init__(
        self,
        folder: Path,
        key: Mapping[str, Any],
        *,
        every: Every,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._key = json.dumps({"format": _FORMAT, **key}, indent=1, sort_keys=True)
        self._every, self._clock = every, clock
        self._last, self._offers = clock(), 0
        self._warned = False
        if folder.exists() and _text(folder / KEY) != self._key:
            _LOG.warning(
                "the checkpoints in %s are of other settings or versions; the run starts over",
                folder,
            )
            shutil.rmtree(folder)

    @property
    def found(self) -> bool:
        """Whether there are states to resume from."""
        return any(self._folder.glob("*.pt"))

    def recall(self, name: str) -> State | None:
        """The last state kept under this name; None, with a warning, if its file is damaged."""
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            return read(path)
        except RunError as error:
            _LOG.warning("checkpoint ignored, its stage starts over: %s", error)
            return None

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state if one is due."""
        self._offers += 1
        seconds, steps = self._every
        late = seconds is not None and self._clock() - self._last >= seconds
        if late or (steps is not None and self._offers >= steps):
            self.keep(name, make())

    def keep(self, name: str, state: State) -> None:
        """Keep a state now; on a full disk the state is lost and the run continues."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not (self._folder / KEY).is_file():
                with atomic_write(self._folder / KEY) as draft:
                    draft.write_text(self._key)
            write(self._path(name), state)
        except OSError as error:
            if not self._warned:
                _LOG.warning("no checkpoint could be kept in %s (%s)", self._folder, error)
            self._warned = True
        self._last, self._offers = self._clock(), 0

    def clear(self) -> None:
        """Delete everything: the run is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pt"


class InMemory:
    """Keeps states as bytes, to be sent to another process or shared by runs.

    files: by the names of the states.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})

    def recall(self, name: str) -> State | None:
        """The state of that name; None if there is none.

        Raises:
            RunError: it is damaged.
        """
        data = self.files.get(name)
        return None if data is None else _decode(data, f"the state {name!r}")

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Nothing: only the states of finished work are kept."""

    def keep(self, name: str, state: State) -> None:
        """Keep a state."""
        self.files[name] = _encode(state)


def write(path: Path, state: State) -> None:
    """Write a state to a file, which is replaced as a whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_write(path) as draft:
        draft.write_bytes(_encode(state))


def read(path: Path) -> State:
    """Read what `write` wrote; its tensors are on the CPU.

    Raises:
        RunError: there is no such file, it is damaged, or it was not written by `write`.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path} cannot be read ({error}).") from error
    return _decode(data, str(path))


def _encode(state: State) -> bytes:
    import torch

    file = io.BytesIO()
    torch.save(state, file)
    body = file.getvalue()
    return _HEADER + _digest(body) + body


def _decode(data: bytes, name: str) -> State:
    import torch

    start = len(_HEADER)
    digest, body = data[start : start + 32], data[start + 32 :]
    if not data.startswith(_HEADER):
        raise RunError(f"{name} is not a checkpoint of this version; delete it to start over.")
    if _digest(body) != digest:  # torch would load damaged tensors
        raise RunError(f"{name} is damaged; delete it to start over.")
    state: State = torch.load(io.BytesIO(body), map_location="cpu", weights_only=True)
    return state


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None
