"""What runs that follow each other in one process have in common, made once.

A run that shares it gives the result of a run that does not, to the last bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable
from pathlib import Path

from maskaq.checkpoints import NOWHERE, Checkpoints, State
from maskaq.config import RunSpec
from maskaq.config.sample_key import batches, drawing_key, judged
from maskaq.results.paths import stamp
from maskaq.runs.context import Ground

__all__ = ["drawn_before", "ground_of"]

_DRAWINGS = 2  # whose samples are kept
_MOST = 256 << 20  # bytes of one drawing; larger ones are not kept
_GROUNDS: dict[Hashable, Ground] = {}  # the last one
_DRAWN: dict[str, dict[str, State]] = {}  # by key of the drawing, the latest last


def ground_of(spec: RunSpec) -> Ground:
    """P and the images it is judged on, with what P answered; as before if they are the same.

    Raises:
        MaskaqError: as `Ground.of`.
    """
    key = (judged(spec), *(_fingerprint(path) for path in (spec.weights, spec.data) if path))
    if key not in _GROUNDS:
        _GROUNDS.clear()
        _GROUNDS[key] = Ground.of(judged(spec))
    return _GROUNDS[key]


def drawn_before(spec: RunSpec) -> Checkpoints:
    """The samples of this spec as checkpoints: known if one of the last runs drew them."""
    if spec.data or spec.weights or not batches(spec):
        return NOWHERE  # files may have changed since
    return _Drawn(drawing_key(spec))


class _Drawn:
    """Finished batches of one drawing."""

    def __init__(self, key: str) -> None:
        self._key = key

    def recall(self, name: str) -> State | None:
        return _DRAWN.get(self._key, {}).get(name)

    def offer(self, name: str, make: Callable[[], State]) -> None:
        """Nothing: only finished batches are shared."""

    def keep(self, name: str, state: State) -> None:
        if not name.startswith("batch"):
            return
        states = _DRAWN.pop(self._key, {}) | {name: state}
        if sum(t.nbytes for one in states.values() for t in one.tensors.values()) > _MOST:
            return
        _DRAWN[self._key] = states
        for old in list(_DRAWN)[:-_DRAWINGS]:
            del _DRAWN[old]


def _fingerprint(path: str) -> Hashable:
    """Changes when a file, or one below a folder, is written."""
    if not Path(path).is_dir():
        return stamp(path)
    found = (os.path.join(top, name) for top, _, names in os.walk(path) for name in names)
    return frozenset((name, stamp(name)) for name in found)
