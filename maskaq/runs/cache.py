"""P, evaluation images and samples, shared by the runs and quick answers of one process.

A run that takes them from here gives the same result, to the last bit, as one that does not.
"""

import copy
import os
from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import Generic, TypeVar

from torch import nn

from maskaq.checkpoints import NOWHERE, Checkpoints, InMemory, State
from maskaq.config import RunSpec
from maskaq.config.sample_key import batches, evaluation_spec, sample_key
from maskaq.files import split_key, stamp
from maskaq.models.loading import LoadedModel, load_model
from maskaq.models.menu import transformers_place
from maskaq.runs.context import RunContext

_LARGEST = 256 << 20  # bytes of the samples of one run; more are not kept

T = TypeVar("T")


class LRU(Generic[T]):
    """The most recently used values, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: dict[Hashable, T] = {}  # the most recent last

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of a key, made now if it is not cached."""
        return self.put(key, self._values[key] if key in self._values else make())

    def put(self, key: Hashable, value: T) -> T:
        """Keep a value as the most recent one, and return it."""
        self._values.pop(key, None)
        self._values[key] = value
        for oldest in list(self._values)[: -self._size]:
            del self._values[oldest]
        return value

    def drop(self, key: Hashable) -> None:
        """Forget a value."""
        self._values.pop(key, None)


_MODELS: LRU[LoadedModel] = LRU(2)
_CONTEXTS: LRU[RunContext] = LRU(2)
_SAMPLES: LRU[dict[str, bytes]] = LRU(2)


def key_of(name: str, weights: str, global_pool: str = "") -> tuple[Hashable, ...]:
    """What identifies P: its name, its pooling, its file and when the file was written."""
    return name, weights, global_pool, *map(_fingerprint, _files(name, weights))


def model(name: str, weights: str = "", global_pool: str = "") -> LoadedModel:
    """P by name. It must not be changed, nor recorded by two threads at once.

    Raises:
        ModelError: as `load_model`.
    """
    return _MODELS.get(
        key_of(name, weights, global_pool),
        lambda: load_model(name, weights or None, global_pool=global_pool),
    )


def context_of(spec: RunSpec) -> RunContext:
    """P and its evaluation images, with P's predictions if an earlier run made them.

    Raises:
        MaskaqError: as `RunContext.of`.
    """
    needed = evaluation_spec(spec)
    files = [_fingerprint(path) for path in (*_files(spec.model, spec.weights), spec.data) if path]
    files += [stamp(spec.class_names)] if spec.class_names else []

    def load() -> RunContext:
        loaded = model(spec.model, spec.weights, spec.global_pool)
        own = _copy(loaded.model, share=spec.device == "cpu")
        return RunContext.of(needed, replace(loaded, model=own))

    return _CONTEXTS.get((needed, *files), load)


def _copy(original: nn.Module, share: bool) -> nn.Module:
    """A copy that one thread may record while another records the original.

    share: whether both use the same tensors; not for a copy that moves to another device.
    """
    tensors = (*original.parameters(), *original.buffers()) if share else ()
    return copy.deepcopy(original, {id(tensor): tensor for tensor in tensors})


def cached_samples(spec: RunSpec) -> Checkpoints:
    """The samples of a run as checkpoints: found if one of the last runs synthesized them."""
    if spec.data or spec.weights or not batches(spec):
        return NOWHERE  # files may have changed since
    return _CachedSamples(sample_key(spec))


class _CachedSamples(InMemory):
    """The finished batches of one synthesis."""

    def __init__(self, key: str) -> None:
        super().__init__(_SAMPLES.get(key, dict))
        self._key = key

    def keep(self, name: str, state: State) -> None:
        if not name.startswith("batch"):
            return
        super().keep(name, state)
        if sum(map(len, self.files.values())) > _LARGEST:
            _SAMPLES.drop(self._key)
        else:
            _SAMPLES.put(self._key, self.files)


def _files(name: str, weights: str) -> list[str]:
    """The files or folders that P is read from, apart from the library's own."""
    return [path for path in (weights, transformers_place(name)) if path]


def _fingerprint(path: str) -> Hashable:
    """Changes when a file, or one inside its folder if it is an index or a folder, is written."""
    file, _ = split_key(path)
    folder = os.path.isdir(file)
    if file.suffix != ".json" and not folder:
        return stamp(file)
    path = str(file if folder else file.parent)
    found = (os.path.join(top, name) for top, _, names in os.walk(path) for name in names)
    return frozenset((name, stamp(name)) for name in found)
