"""Calibrated quantizers of every kind, and inputs for them."""

import torch
from torch import Tensor

from maskaq.quantization.quantizers import logarithmic, lsq  # noqa: F401  register quantizers
from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer

KINDS = list(QUANTIZERS)
POSITIVE = ("log-sqrt2", "log-base")  # grids for softmax outputs


def values(seed: int, *shape: int, positive: bool = False) -> Tensor:
    """Normal values, or their squares."""
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.square() if positive else x * 3 + 0.5


def calibrated(kind: str, bits: int, x: Tensor, groups: int = 1, search: str = "mse") -> Quantizer:
    quantizer = QUANTIZERS[kind](bits, groups, search)
    quantizer.calibrate(x)
    return quantizer
