"""Back-ends: how Q is fitted to samples. Importing this package registers all of them."""

from maskaq.quantization.backends import adalog, correction, lsq_kd, ranges_only, reconstruct, repq
from maskaq.quantization.backends.base import BACKENDS, Backend, FitTask

__all__ = [
    "BACKENDS",
    "Backend",
    "FitTask",
    "adalog",
    "correction",
    "lsq_kd",
    "ranges_only",
    "reconstruct",
    "repq",
]
