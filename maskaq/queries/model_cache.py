"""Quantized models for quick answers, calibrated once for many questions.

The models must not be changed. Only one question is answered at a time (`worker.answer`).
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.models.loading import LoadedModel, with_class_names
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.calibration import setting_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.quantizers.base import Quantizer
from maskaq.quantization.quantizers.range_search import minmax
from maskaq.runs.cache import LRU, key_of, model

__all__ = ["BACKEND", "digest", "fitted", "key_of", "model", "named", "q_of"]

BACKEND = "tails"  # the most accurate back-end that does not learn
# Values used to search the range of a whole tensor: 16 times fewer than in a run, which halves the
# time. Top-1 changes by 0.7 points on average, mostly down (benchmarks/README.md).
SEARCHED = 2**15

_FITTED: LRU[nn.Module] = LRU(2)


def named(name: str, weights: str, class_names: str) -> LoadedModel:
    """P by name, with the class names of a file, "" for its own.

    Raises:
        ModelError: as `load_model`. DataError: the class names do not fit.
    """
    loaded = model(name, weights)
    return with_class_names(loaded, class_names) if class_names else loaded


def fitted(name: str, weights: str, samples: NDArray[np.uint8], options: QuantOptions) -> nn.Module:
    """Q, its ranges fitted to samples uint8 [n,3,S,S].

    Raises:
        ModelError: as `load_model`.
        DataError: the samples do not fit the model.
    """
    key = (*key_of(name, weights), digest(samples), options)
    return _FITTED.get(key, lambda: _fit(model(name, weights), samples, options))


def q_of(
    name: str,
    weights: str,
    samples: NDArray[np.uint8] | None,
    weight_bits: int,
    activation_bits: int,
) -> nn.Module | None:
    """`fitted` at these bit widths, or None without samples."""
    if samples is None or not len(samples):
        return None
    return fitted(name, weights, samples, QuantOptions(weight_bits, activation_bits))


def digest(samples: NDArray[np.uint8]) -> bytes:
    """A hash of images of any shape."""
    parts = str(samples.shape).encode(), np.ascontiguousarray(samples)
    return hashlib.blake2b(b"".join(bytes(part) for part in parts), digest_size=16).digest()


@torch.no_grad()
def _fit(loaded: LoadedModel, samples: NDArray[np.uint8], options: QuantOptions) -> nn.Module:
    images: Tensor = loaded.normalise(torch.tensor(samples))  # [n,3,S,S]
    q = convert(loaded.model, options, BACKENDS[BACKEND].scheme)
    with setting_ranges(q, _set_range):
        q(images[:MOST_IMAGES])
    return q.requires_grad_(False)


def _set_range(quantizer: Quantizer, x: Tensor) -> None:
    """Set a per-tensor range from a subset of the values, any other range as in a run."""
    if quantizer.groups == 1 and quantizer.search is not minmax:
        rows = x.reshape(-1, x.shape[-1])  # [rows,C]
        x = rows[:: max(1, rows.numel() // SEARCHED)]  # [fewer,C]
    quantizer.calibrate(x)
