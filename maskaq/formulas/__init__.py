"""The formulas that the app shows, each with its paper and equation.

Symbols follow `MASKAQ`; `meaning` mentions its misprints. LaTeX for KaTeX, without dollar signs.
"""

from maskaq.formulas import attention, judging, quantization, synthesis
from maskaq.formulas.formula import FORMULAS, MASKAQ, Formula

__all__ = [
    "FORMULAS",
    "MASKAQ",
    "Formula",
    "attention",
    "judging",
    "quantization",
    "synthesis",
]
