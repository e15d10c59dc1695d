"""States of a run on its way, kept so that a run that was stopped goes on from there.

A stage that takes long offers its state after every step; what keeps states decides when it is
time. A state holds all that decides on what comes next, random generators included, so that a run
that went on ends, on a CPU, with the same bits as one that was never stopped.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from safetensors import SafetensorError, safe_open

from maskaq.config.parsing import Every
from maskaq.errors import RunError
from maskaq.events import Event
from maskaq.files import atomic_write

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = [
    "KEY",
    "NOWHERE",
    "Checkpoints",
    "InFolder",
    "InMemory",
    "State",
    "named",
    "pack",
    "pack_optimiser",
    "part",
    "read",
    "unpack",
    "unpack_optimiser",
    "write",
]

KEY = "key.json"
_LOG = logging.getLogger(__name__)
_IMAGES, _NOTES = "event.images", "notes"


class State(NamedTuple):
    """tensors: by name. notes: plain values that JSON holds."""

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, Any]


class Checkpoints(Protocol):
    """Where stages leave their states, each under a name of its own."""

    def recall(self, name: str) -> State | None:
        """The state that was kept last; None if there is none."""

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state if it is time for one; `make` is called only then."""

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
    """Keeps states as safetensors files in a folder, each of which appears whole or not at all.

    Args:
        key: whatever decides on the result. States of another key are thrown away.
        every: seconds or offers between two states that are offered.
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
        self._folder, self._key = folder, json.dumps(key, indent=1, sort_keys=True)
        self._every, self._clock = every, clock
        self._last, self._offers = clock(), 0
        self._warned = False
        if folder.exists() and _text(folder / KEY) != self._key:
            shutil.rmtree(folder)

    @property
    def found(self) -> bool:
        """Whether there are states to go on from."""
        return any(self._folder.glob("*.safetensors"))

    def recall(self, name: str) -> State | None:
        """The state that was kept last; None also for a file that is damaged."""
        try:
            return read(self._folder / f"{name}.safetensors")
        except RunError:
            return None

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Keep a state if it is time for one."""
        self._offers += 1
        seconds, steps = self._every
        late = seconds is not None and self._clock() - self._last >= seconds
        if late or (steps is not None and self._offers >= steps):
            self.keep(name, make())

    def keep(self, name: str, state: State) -> None:
        """Keep a state now; a disk that is full costs the state, not the run."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not (self._folder / KEY).is_file():
                with atomic_write(self._folder / KEY) as draft:
                    draft.write_text(self._key)
            write(self._folder / f"{name}.safetensors", state)
        except OSError as error:
            if not self._warned:
                _LOG.warning("no checkpoint could be kept in %s (%s)", self._folder, error)
            self._warned = True
        self._last, self._offers = self._clock(), 0

    def clear(self) -> None:
        """Forget everything: the run is done."""
        shutil.rmtree(self._folder, ignore_errors=True)


def write(path: Path, state: State) -> None:
    """Put a state into a safetensors file, which appears whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.torch import save_file

    try:
        with atomic_write(path) as draft:
            save_file(_copied(state.tensors), draft, {_NOTES: json.dumps(state.notes)})
    except SafetensorError as error:
        raise OSError(str(error)) from error


def read(path: Path) -> State:
    """The inverse of `write`.

    Raises:
        RunError: there is no such file, or it is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            notes = json.loads((file.metadata() or {})[_NOTES])
            return State({name: file.get_tensor(name) for name in file.keys()}, notes)  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise RunError(f"{path} holds no whole state ({type(error).__name__}: {error}).") from error


class InMemory:
    """Keeps states as bytes of safetensors files, to be sent to another process.

    files: by the names of the states.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})

    def recall(self, name: str) -> State | None:
        """The state of that name; None if there is none.

        Raises:
            RunError: it is damaged.
        """
        from safetensors.torch import load

        data = self.files.get(name)
        if data is None:
            return None
        try:
            tensors = load(data)
            notes = json.loads(tensors.pop(_NOTES).numpy().tobytes())
        except (SafetensorError, KeyError, ValueError) as error:
            raise RunError(f"the state {name!r} was damaged on its way ({error}).") from error
        return State(tensors, notes)

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Nothing: only what is finished is sent."""

    def keep(self, name: str, state: State) -> None:
        """Keep a state."""
        import torch
        from safetensors.torch import save

        text = bytearray(json.dumps(state.notes).encode())
        notes = torch.frombuffer(text, dtype=torch.uint8)
        self.files[name] = save(_copied(state.tensors) | {_NOTES: notes})


def pack(events: Sequence[Event]) -> State:
    """Events as a state."""
    shown = {i: event.images for i, event in enumerate(events) if event.images is not None}
    notes = [[e.stage, e.step, e.total, dict(e.metrics), e.problem] for e in events]
    return State({f"{_IMAGES}.{i}": images for i, images in shown.items()}, {"events": notes})


def unpack(state: State) -> list[Event]:
    """The inverse of `pack`; other tensors and notes of the state are left aside."""
    return [
        Event(stage, step, total, metrics, state.tensors.get(f"{_IMAGES}.{i}"), problem)
        for i, (stage, step, total, metrics, problem) in enumerate(state.notes["events"])
    ]


def pack_optimiser(optimiser: Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers of each parameter, as tensors by name."""
    known: Mapping[int, Mapping[str, Tensor]] = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{name}": v for i, of in known.items() for name, v in of.items()}


def unpack_optimiser(optimiser: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Have an optimiser remember it again; rates and such are left as they are."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        first, _, rest = key.partition(".")
        if first == "optimiser":
            number, _, name = rest.partition(".")
            state.setdefault(int(number), {})[name] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those whose names begin with `prefix.`, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): v for name, v in tensors.items() if name.startswith(start)}


def named(prefix: str, tensors: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    """The inverse of `part`."""
    return {f"{prefix}.{name}": value for name, value in tensors}


def _copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of their own: the format refuses those that share their memory."""
    return {name: t.detach().cpu().clone().contiguous() for name, t in tensors.items()}


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except (OSError, ValueError):
        return None
