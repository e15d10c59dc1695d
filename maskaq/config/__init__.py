"""The settings of a run: options, presets, and the table of what there is to choose from.

Nothing here needs torch.
"""

from maskaq.config.options import (
    BITS,
    Coefficients,
    FitOptions,
    QuantOptions,
    Reconstruction,
    RunSpec,
    Savings,
    SynthesisOptions,
)

__all__ = [
    "BITS",
    "Coefficients",
    "FitOptions",
    "QuantOptions",
    "Reconstruction",
    "RunSpec",
    "Savings",
    "SynthesisOptions",
]
