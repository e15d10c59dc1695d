"""Back-ends: how Q is fitted to samples. Importing this package registers all of them."""

from maskaq.quantization.backends import lsq_kd, ranges_only
from maskaq.quantization.backends.base import BACKENDS, Backend, FitTask

__all__ = ["BACKENDS", "Backend", "FitTask", "lsq_kd", "ranges_only"]
