"""What there is to choose from, for menus: names and one line each, without importing torch.

The implementations register themselves where they live (`maskaq.synthesis.sources`,
`maskaq.quantization.backends`), which needs torch and takes seconds. A menu needs only the names,
so they stand here a second time; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BACKEND_NAMES", "DISTILLING", "DRAWING", "SOURCE_NAMES"]

SOURCE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "maskaq": "Every term that has a coefficient, alignment with Q included "
        "(Qian et al. 2026).",
        "mimiq": "MaskAQ without similarity entropy and alignment, as MimiQ (Choi et al. 2025) "
        "had it.",
        "noise": "Normal noise, clamped to valid pixels: what any method must beat.",
        "real": "Images of the calibration split, for comparison: not data-free.",
    }
)
# Sources that improve their images step by step, so that steps and coefficients matter to them.
DRAWING = frozenset({"maskaq", "mimiq"})

BACKEND_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "minmax": "the range that clips nothing; one pass",
        "mse": "ranges of least squared error, log-sqrt2 softmax; one pass",
        "tails": "`mse` with ranges that clip less and an adaptive log GELU; one pass",
        "lsq-kd": "learned steps and weights, distilled from P with masked head outputs",
    }
)
# Back-ends that train Q towards P, so that epochs, mask and refreshes matter to them.
DISTILLING = frozenset({"lsq-kd"})
