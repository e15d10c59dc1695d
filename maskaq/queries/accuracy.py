"""The accuracy of P and of a quickly fitted Q on the same scenes: what `quick.accuracy` says."""

from __future__ import annotations

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

N = 1000  # scenes, unless asked otherwise
_MOST = len(SPLITS["evaluation"])

_VERDICTS: LRU[dict[str, Any]] = LRU(128)
_SCENES: LRU[tuple[Tensor, Tensor]] = LRU(1)  # 49 MB for 1 000
_ANSWERS: LRU[Tensor] = LRU(4)


def accuracy(
    name: str,
    weights: str,
    samples: NDArray[np.uint8],
    bits: tuple[int, int],
    first_last: str,
    n: int,
) -> dict[str, Any]:
    """See `quick.accuracy`."""
    if name not in BUNDLED:
        raise RunError(
            f"{name} is not judged in passing: it needs labelled images of its own. Possible with "
            f"{', '.join(BUNDLED)}; for others start a run with a folder of images."
        )
    if not 1 <= n <= _MOST:
        raise OptionError(f"n is {n!r}; allowed: 1 to {_MOST} evaluation scenes.")
    options = QuantOptions(*bits, first_last=first_last)
    key = (*model_cache.key_of(name, weights), model_cache.digest(samples), options, n)
    return dict(_VERDICTS.get(key, lambda: _judge(name, weights, samples, options, n)))


def prepare() -> None:
    """What every answer about the bundled model needs, ahead of the first question."""
    answers_of_p(menu.BUNDLED, "", N)


def _judge(
    name: str, weights: str, samples: NDArray[np.uint8], options: QuantOptions, n: int
) -> dict[str, Any]:
    began = time.perf_counter()
    labels = _scenes(name, weights, n)[1]
    p = answers_of_p(name, weights, n)
    q = _answers(model_cache.fitted(name, weights, samples, options), name, weights, n)
    return {
        "p": wilson(int((p == labels).sum()), n),
        "q": wilson(int((q == labels).sum()), n),
        "agreement": wilson(int((p == q).sum()), n),
        "n": n,
        "backend": model_cache.BACKEND,
        "seconds": time.perf_counter() - began,
    }


def answers_of_p(name: str, weights: str, n: int) -> Tensor:
    """P's classes on the first n evaluation scenes, int64 [n]: the same for every Q."""
    key = (*model_cache.key_of(name, weights), n)
    model = model_cache.model(name, weights).model
    return _ANSWERS.get(key, lambda: _answers(model, name, weights, n))


def _answers(model: nn.Module, name: str, weights: str, n: int) -> Tensor:
    return classes(freeze(model), _scenes(name, weights, n)[0])  # [n]


def _scenes(name: str, weights: str, n: int) -> tuple[Tensor, Tensor]:
    """Evaluation scenes as the model takes them, float32 [n,3,S,S], and their labels [n]."""

    def make() -> tuple[Tensor, Tensor]:
        batch = scenes("evaluation", range(n))
        return model_cache.model(name, weights).normalise(batch.images), batch.labels

    return _SCENES.get((name, n), make)
