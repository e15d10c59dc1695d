"""The formulas that stand beside what they define, each with its paper and equation.

Symbols follow `MASKAQ`; where its print has a slip, `meaning` says so. LaTeX for KaTeX, without
dollar signs.
"""

from collections.abc import Mapping
from types import MappingProxyType

from maskaq.formulas import attention, judging, quantization, synthesis
from maskaq.formulas.formula import FORMULAS, MASKAQ, Formula

__all__ = [
    "FORMULAS",
    "MASKAQ",
    "OF_BACKEND",
    "Formula",
    "attention",
    "judging",
    "quantization",
    "synthesis",
]

# What a back-end does beyond setting ranges, in the order in which it does it.
OF_BACKEND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"lsq-kd": ("calibration",), "reconstruct": ("rotation", "gptq", "reconstruction", "tuning")}
)
