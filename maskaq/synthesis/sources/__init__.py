"""Sample sources: where the images come from that Q is fitted to.

Each is one function in a file of its own; its docstring is what menus show. Importing this package
registers all of them.
"""

from maskaq.synthesis.sources import e2h, maskaq, mimiq, noise, psaq, real, sardfq
from maskaq.synthesis.sources.base import SOURCES, Calibration, Source

__all__ = [
    "SOURCES",
    "Calibration",
    "Source",
    "e2h",
    "maskaq",
    "mimiq",
    "noise",
    "psaq",
    "real",
    "sardfq",
]
