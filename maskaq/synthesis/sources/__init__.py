"""Sample sources: where the calibration images of Q come from.

Each source is one function, named by one entry in `maskaq.config.components`.
"""

from maskaq.config import components
from maskaq.registry import Implementations
from maskaq.synthesis.sources.base import Calibration, Source

__all__ = ["SOURCES", "Calibration", "Source"]

SOURCES: Implementations[Source] = Implementations(components.SOURCES)
