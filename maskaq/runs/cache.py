"""What runs that follow each other in one process have in common, made once.

A run that shares it gives the result of a run that does not, to the last bit.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path

from maskaq.checkpoints import NOWHERE, Checkpoints, InMemory, State
from maskaq.config import RunSpec
from maskaq.config.sample_key import batches, evaluation_spec, sample_key
from maskaq.files import stamp
from maskaq.runs.context import Ground

__all__ = ["drawn_before", "ground_of"]

_DRAWINGS = 2  # whose samples are kept
_MOST = 256 << 20  # bytes of one drawing; larger ones are not kept
_GROUNDS: dict[Hashable, Ground] = {}  # the last one
_DRAWN: dict[str, dict[str, bytes]] = {}  # by key of the drawing, the latest last


def ground_of(spec: RunSpec) -> Ground:
    """P and the images it is judged on, with what P answered; as before if they are the same.

    Raises:
        MaskaqError: as `Ground.of`.
    """
    files = (_fingerprint(path) for path in (spec.weights, spec.data) if path)
    key = (evaluation_spec(spec), *files)
    if key not in _GROUNDS:
        _GROUNDS.clear()
        _GROUNDS[key] = Ground.of(evaluation_spec(spec))
    return _GROUNDS[key]


def drawn_before(spec: RunSpec) -> Checkpoints:
    """The samples of this spec as checkpoints: known if one of the last runs drew them."""
    if spec.data or spec.weights or not batches(spec):
        return NOWHERE  # files may have changed since
    return _Drawn(sample_key(spec))


class _Drawn(InMemory):
    """Finished batches of one drawing."""

    def __init__(self, key: str) -> None:
        super().__init__(_DRAWN.get(key))
        self._key = key

    def keep(self, name: str, state: State) -> None:
        if not name.startswith("batch"):
            return
        super().keep(name, state)
        _DRAWN.pop(self._key, None)
        if sum(map(len, self.files.values())) > _MOST:
            return
        _DRAWN[self._key] = self.files
        for old in list(_DRAWN)[:-_DRAWINGS]:
            del _DRAWN[old]


def _fingerprint(path: str) -> Hashable:
    """Changes when a file, or one below a folder, is written."""
    if not Path(path).is_dir():
        return stamp(path)
    found = (os.path.join(top, name) for top, _, names in os.walk(path) for name in names)
    return frozenset((name, stamp(name)) for name in found)
