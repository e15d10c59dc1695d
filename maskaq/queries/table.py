"""Questions that a worker answers in seconds, beside the runs: plain values and arrays in and out.

torch is imported inside the functions only, because menus and checks need no more than the names.
`maskaq.queries.model_cache` holds the models that the answers share; they are asked one at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maskaq.config.parsing import from_dict
from maskaq.registry import Registry

__all__ = ["QUICK", "accuracy", "attention", "attribution", "cost", "inspect", "similarity"]

QUICK: Registry[Callable[..., Any]] = Registry("quick answer")
Pixels = NDArray[np.uint8]


@QUICK.register("attention")
def attention(
    model: str,
    weights: str,
    picture: Pixels,
    query: int | None = None,
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
) -> dict[str, Any]:
    """What one query of P and of Q pays to every patch of a picture.

    Args:
        model, weights: as in `RunSpec`. picture: uint8 [H,W,3]; the model's own preprocessing
            follows. query: a patch, None for the class token (for the mean over patches in a model
            without). samples: uint8 [n,3,S,S], to which the ranges of Q are fitted; None for no Q.

    Returns:
        image: uint8 [3,S,S], as the model sees it. p: float32 [L,H,N], probabilities. q: the same
        of Q, or None. alpha: float32 [N], P's attention weight of each patch (MaskAQ Eq. 4).

    Raises:
        MaskaqError: the model cannot be loaded, the samples do not fit it, or no such patch.
    """
    from maskaq.queries import attention as looks

    bits = weight_bits, activation_bits
    return looks.attention(model, weights, picture, query, bits, samples)


@QUICK.register("similarity")
def similarity(model: str, weights: str, picture: Pixels) -> dict[str, Any]:
    """How alike P's patches attend in a picture uint8 [H,W,3] (MaskAQ Eq. 5 to 10).

    Returns:
        image: uint8 [3,S,S], as the model sees it. blocks: for each block a dict with the fields
        of `maskaq.precomputed.showcase.Similarity`.

    Raises:
        MaskaqError: the model cannot be loaded.
    """
    from maskaq.queries import attention as looks

    return looks.similarity(model, weights, picture)


@QUICK.register("attribution")
def attribution(
    model: str,
    weights: str,
    picture: Pixels,
    method: str = "attention",
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
) -> dict[str, Any]:
    """How one method weighs the patches of a picture, for the class that P names.

    Args:
        method: name in `maskaq.evaluation.attributions.ATTRIBUTIONS`. The others as in `attention`.

    Returns:
        image: uint8 [3,S,S], as the model sees it. p: float32 [N]. q: the same of Q, or None.

    Raises:
        MaskaqError: as `attention`, or no such method.
    """
    from maskaq.queries import attention as looks

    bits = weight_bits, activation_bits
    return looks.attribution(model, weights, picture, method, bits, samples)


@QUICK.register("accuracy")
def accuracy(
    model: str,
    weights: str,
    samples: Pixels,
    source: str = "",
    weight_bits: int = 4,
    activation_bits: int = 4,
    first_last: str = "8",
    n: int = 1000,
) -> dict[str, Any]:
    """Accuracy of P and of a Q whose ranges are fitted to samples that are there already.

    Args:
        model, weights: of the bundled model. samples: uint8 [m,3,S,S]. source: where they come
            from; it is only handed back. first_last: as in `QuantOptions`. n: evaluation scenes.

    Returns:
        p, q, agreement: `Interval` each, 95 %, of top-1 and of equal answers. n, source. backend:
        what fitted Q. seconds: that it took when it was computed.

    Raises:
        RunError: a model that the scenes do not belong to. MaskaqError: as `attention`.
    """
    from maskaq.queries import accuracy as judge

    bits = weight_bits, activation_bits
    return judge.accuracy(model, weights, samples, bits, first_last, n) | {"source": source}


@QUICK.register("inspect")
def inspect(model: str, weights: str = "", folder: str = "") -> dict[str, Any]:
    """Whether a visitor's files can be used: weights for a model, a folder of labelled images.

    Returns:
        classes: outputs of the model. size: side of its images in pixels. images: how many the
        folder has, and labels: of how many classes; both 0 without a folder.

    Raises:
        MaskaqError: what cannot be used, and what would be allowed.
    """
    from maskaq.queries import attention as looks

    return looks.inspect(model, weights, folder)


@QUICK.register("cost")
def cost(specs: Sequence[str]) -> dict[str, Any]:
    """What runs would cost, one after the other on this worker, from a short measurement.

    Args:
        specs: of the runs, as JSON.

    Returns:
        seconds, and memory_mb: at least so much is needed.

    Raises:
        MaskaqError: what a run itself would raise at its beginning.
    """
    from maskaq.runs.estimate import estimate, total

    runs = [from_dict(json.loads(spec)) for spec in specs]
    found = total(runs, estimate(runs))
    return {"seconds": found.seconds, "memory_mb": found.memory_mb}
