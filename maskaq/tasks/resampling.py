"""Bootstrap over images, for metrics that are no means of one number per image (Efron 1979)."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from maskaq.intervals import Interval

RESAMPLES = 500
_SEED = 0


@lru_cache(maxsize=1)  # every score of an evaluation needs them
def resampled_weights(count: int, resamples: int = RESAMPLES) -> Tensor:
    """How often each image is in each resample, drawn with replacement: float64 [R,N].

    The same for P and Q, so that their difference is paired. They are shared: do not modify them.
    """
    generator = torch.Generator().manual_seed(_SEED)
    chosen = torch.randint(count, (resamples, count), generator=generator)  # [R,N]
    weights = torch.zeros(resamples, count, dtype=torch.double)
    return weights.scatter_add_(1, chosen, torch.ones_like(weights))


def interval_of(value: float, spread: Tensor, count: int) -> Interval:
    """A value with the 2.5 % and 97.5 % points of its resamples [R]."""
    low, high = spread.double().quantile(torch.tensor([0.025, 0.975], dtype=torch.double)).tolist()
    return Interval(value, min(low, value), max(high, value), count)
