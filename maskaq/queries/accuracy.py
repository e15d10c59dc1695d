"""The accuracy of P and of a quickly fitted Q on the same scenes."""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import SPLITS, scenes
from maskaq.errors import OptionError, RunError
from maskaq.evaluation.accuracy import classes
from maskaq.intervals import wilson
from maskaq.models import menu
from maskaq.models.architectures import BUNDLED
from maskaq.quantization.conversion.freeze import freeze
from maskaq.queries import model_cache
from maskaq.runs.cache import LRU

N = 1000  # evaluation scenes by default
_AVAILABLE = len(SPLITS["evaluation"])

_RESULTS: LRU[dict[str, Any]] = LRU(128)
_SCENES: LRU[tuple[Tensor, Tensor]] = LRU(1)  # 49 MB for 1 000
_PREDICTIONS_OF_P: LRU[Tensor] = LRU(4)


def accuracy(
    model: str,
    weights: str,
    samples: NDArray[np.uint8],
    source: str = "",
    weight_bits: int = 4,
    activation_bits: int = 4,
    first_last: str = "8",
    scheme: str = "auto",
    n: int = N,
) -> dict[str, Any]:
    """Accuracy of P and of a Q whose ranges are fitted to existing samples.

    Args:
        model, weights: of a bundled model.
        samples: uint8 [m,3,S,S].
        source: of the samples; returned unchanged.
        first_last, scheme: as in `QuantOptions`.
        n: number of evaluation scenes.

    Returns:
        p, q: top-1 as `Interval`, 95 %. agreement: share of scenes on which both predict the same
        class, likewise. n, source: as given. backend: that fitted Q. seconds: of the first
        computation; later ones are cached.

    Raises:
        RunError: the model is not a bundled one.
        MaskaqError: as `maskaq.queries.attention.attention`.
    """
    if model not in BUNDLED:
        raise RunError(
            f"{model} has no quick accuracy, because it needs its own labelled images. Choose "
            f"{', '.join(BUNDLED)}, or start a run with a folder of images."
        )
    if not 1 <= n <= _AVAILABLE:
        raise OptionError(f"n is {n!r}; allowed: 1 to {_AVAILABLE} evaluation scenes.")
    options = QuantOptions(weight_bits, activation_bits, first_last=first_last, scheme=scheme)
    key = (*model_cache.key_of(model, weights), model_cache.digest(samples), options, n)
    result = _RESULTS.get(key, lambda: _evaluate(model, weights, samples, options, n))
    return result | {"source": source}


def prepare() -> None:
    """Compute what all answers about the bundled model need, before the first question."""
    predictions_of_p(menu.BUNDLED, "", N)


def _evaluate(
    name: str, weights: str, samples: NDArray[np.uint8], options: QuantOptions, n: int
) -> dict[str, Any]:
    start = time.perf_counter()
    labels = _scenes(name, weights, n)[1]
    p = predictions_of_p(name, weights, n)
    q = _predict(model_cache.fitted(name, weights, samples, options), name, weights, n)
    return {
        "p": wilson(int((p == labels).sum()), n),
        "q": wilson(int((q == labels).sum()), n),
        "agreement": wilson(int((p == q).sum()), n),
        "n": n,
        "backend": model_cache.BACKEND,
        "seconds": time.perf_counter() - start,
    }


def predictions_of_p(name: str, weights: str, n: int) -> Tensor:
    """P's classes on the first n evaluation scenes, int64 [n]: the same for every Q."""
    key = (*model_cache.key_of(name, weights), n)
    model = model_cache.model(name, weights).model
    return _PREDICTIONS_OF_P.get(key, lambda: _predict(model, name, weights, n))


def _predict(model: nn.Module, name: str, weights: str, n: int) -> Tensor:
    return classes(freeze(model), _scenes(name, weights, n)[0])  # [n]


def _scenes(name: str, weights: str, n: int) -> tuple[Tensor, Tensor]:
    """Evaluation scenes, normalised, float32 [n,3,S,S], and their labels, int64 [n]."""

    def make() -> tuple[Tensor, Tensor]:
        batch = scenes("evaluation", range(n))
        return model_cache.model(name, weights).normalise(batch.images), batch.labels

    return _SCENES.get((name, n), make)
