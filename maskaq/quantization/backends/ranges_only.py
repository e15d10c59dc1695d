"""`minmax`, `mse` and `tails`: ranges from one pass of the calibration images, no training.

`minmax` is the plain uniform grid of PSAQ-ViT. `mse` searches every range for the least squared
error, has ranges per channel for LayerNorm outputs (RepQ-ViT folds these into the LayerNorm; here
they are simulated unfolded) and log-sqrt2 levels for softmax outputs. `tails` is `mse` with ranges
that clip less (`l4`) and adaptive logarithmic levels for GELU outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.events import Event
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.conversion.layernorm_folding import folding
from maskaq.quantization.quantizers.base import calibrating

MINMAX = Scheme("minmax", "minmax", softmax="uniform", layernorm="tensor")
MSE = Scheme(search="mse")
TAILS = Scheme(search="l4", gelu="adaptive-log")
# More images than this do not improve the ranges; they only cost time and memory.
MOST_IMAGES = 256


def fit_ranges(task: FitTask) -> Iterator[Event]:
    """Calibrate Q on the images; one event at the end."""
    set_ranges(task.q, task.inputs(task.images[:MOST_IMAGES]))
    yield Event("fit", 1, 1)


MINMAX_BACKEND = Backend(MINMAX, fit_ranges)
MSE_BACKEND = Backend(MSE, fit_ranges)
TAILS_BACKEND = Backend(TAILS, fit_ranges)


def calibrated_q(
    p: nn.Module, options: QuantOptions, scheme: Scheme, images: torch.Tensor
) -> nn.Module:
    """Convert P and set all ranges on normalised images [N,3,S,S]; returns Q, frozen."""
    q = convert(p, options, scheme)
    set_ranges(q, images)
    return q.requires_grad_(False)


@torch.no_grad()
def set_ranges(q: nn.Module, images: torch.Tensor) -> None:
    """Set all ranges of Q in one pass of normalised images [N,3,S,S]."""
    with calibrating(q), folding(q):
        q(images[:MOST_IMAGES])
