"""The settings of a run: options, presets, and the tables of sources, back-ends and terms.

Nothing here needs torch.
"""

from maskaq.config.options import (
    BITS,
    SCHEMES,
    Coefficients,
    FitOptions,
    QuantOptions,
    Reconstruction,
    Savings,
    SynthesisOptions,
)
from maskaq.config.run_spec import RunSpec

__all__ = [
    "BITS",
    "SCHEMES",
    "Coefficients",
    "FitOptions",
    "QuantOptions",
    "Reconstruction",
    "RunSpec",
    "Savings",
    "SynthesisOptions",
]
