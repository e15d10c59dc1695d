"""Models that quick answers share: loaded, or fitted, once for many questions.

Nobody changes them, and only one question is answered at a time (see `worker.answer`). How many are
kept is bounded, as a worker lives as long as the server.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.models.loading import LoadedModel, load_model
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.quantizers.base import Quantizer, observing
from maskaq.quantization.quantizers.range_search import minmax
from maskaq.results.paths import stamp

__all__ = ["BACKEND", "Recent", "fitted", "key_of", "model"]

BACKEND = "tails"  # the best one that trains nothing
# Values that the search for the range of a whole tensor looks at: 16 times fewer than in a run, for
# half of the time. Top-1 moves by 0.7 points on average, mostly down (benchmarks/README.md).
SEARCHED = 2**15

T = TypeVar("T")


class Recent(Generic[T]):
    """The results that were asked for last, by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: dict[Hashable, T] = {}  # the latest last

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The result for a key, made now if it is not known."""
        found = self._known.pop(key) if key in self._known else make()
        self._known[key] = found
        for old in list(self._known)[: -self._most]:
            del self._known[old]
        return found


_MODELS: Recent[LoadedModel] = Recent(2)
_FITTED: Recent[nn.Module] = Recent(2)


def key_of(name: str, weights: str) -> tuple[Hashable, ...]:
    """What tells one P from another: its name, its file and when that was written."""
    return name, weights, stamp(weights) if weights else None


def model(name: str, weights: str = "") -> LoadedModel:
    """P by name.

    Raises:
        ModelError: as `load_model`.
    """
    return _MODELS.get(key_of(name, weights), lambda: load_model(name, weights or None))


def fitted(name: str, weights: str, samples: NDArray[np.uint8], options: QuantOptions) -> nn.Module:
    """Q, its ranges fitted to samples uint8 [n,3,S,S].

    Raises:
        ModelError: as `load_model`. DataError: the samples do not fit the model.
    """
    key = (*key_of(name, weights), digest(samples), options)
    return _FITTED.get(key, lambda: _fit(model(name, weights), samples, options))


def digest(samples: NDArray[np.uint8]) -> bytes:
    """The same for the same pictures, whoever sends them."""
    parts = str(samples.shape).encode(), np.ascontiguousarray(samples)
    return hashlib.blake2b(b"".join(bytes(part) for part in parts), digest_size=16).digest()


@torch.no_grad()
def _fit(loaded: LoadedModel, samples: NDArray[np.uint8], options: QuantOptions) -> nn.Module:
    images: Tensor = loaded.normalise(torch.tensor(samples))  # [n,3,S,S]
    q = convert(loaded.model, options, BACKENDS[BACKEND].scheme)
    with observing(q, _set_range):
        q(images[:MOST_IMAGES])
    return q.requires_grad_(False)


def _set_range(quantizer: Quantizer, x: Tensor) -> None:
    """The range of a whole tensor from some of its values, all others as `set_ranges` does."""
    if quantizer.groups == 1 and quantizer.search is not minmax:
        rows = x.reshape(-1, x.shape[-1])  # [rows,C]
        x = rows[:: max(1, rows.numel() // SEARCHED)]  # [fewer,C]
    quantizer.calibrate(x)
