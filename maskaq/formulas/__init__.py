"""The formulas that stand beside what they define, each with its paper and equation.

Symbols follow `MASKAQ`; where its print has a slip, `meaning` says so. LaTeX for KaTeX, without
dollar signs.
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
