"""`minmax` and `mse`: ranges from one pass of the samples, no training.

`minmax` is the plain grid of PSAQ-ViT. `mse` searches every range for the least squared error,
gives each channel that LayerNorm feeds its own range (RepQ-ViT folds these into the LayerNorm;
here they are simulated unfolded) and takes log-sqrt2 levels for the softmax outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.events import Event
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.conversion.layernorm_folding import folding
from maskaq.quantization.quantizers.base import calibrating

MINMAX = Scheme("minmax", "minmax", softmax="uniform", layernorm="tensor")
MSE = Scheme(search="mse")
TAILS = Scheme(search="l4", gelu="adaptive-log")
# Ranges do not get better beyond this many images, but the pass gets slower and larger.
MOST_IMAGES = 256


@add_backend("minmax", MINMAX, "the range that clips nothing; one pass")
@add_backend("tails", TAILS, "`mse` with ranges that clip less and an adaptive log GELU; one pass")
@add_backend("mse", MSE, "ranges of least squared error, log-sqrt2 softmax; one pass")
def fit_ranges(task: FitTask) -> Iterator[Event]:
    """Calibrate Q on the samples; one event at the end."""
    set_ranges(task.q, task.inputs(task.images[:MOST_IMAGES]))
    yield Event("fit", 1, 1)


def ranged(p: nn.Module, options: QuantOptions, scheme: Scheme, images: torch.Tensor) -> nn.Module:
    """A new Q of P with nothing but its ranges set, to normalised images [N,3,S,S]; frozen."""
    q = convert(p, options, scheme)
    set_ranges(q, images)
    return q.requires_grad_(False)


@torch.no_grad()
def set_ranges(q: nn.Module, images: torch.Tensor) -> None:
    """Set all ranges of Q in one pass of normalised images [N,3,S,S]."""
    with calibrating(q), folding(q):
        q(images[:MOST_IMAGES])
