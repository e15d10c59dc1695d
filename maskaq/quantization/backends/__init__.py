"""Back-ends: how Q is fitted to the calibration images.

Each back-end is one `Backend`, named by one entry in `maskaq.config.components`.
"""

from maskaq.config import components
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.registry import Implementations

__all__ = ["BACKENDS", "Backend", "FitTask"]

BACKENDS: Implementations[Backend] = Implementations(components.BACKENDS)
