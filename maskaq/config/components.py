"""What there is to choose from, for menus: names and one line each, without importing torch.

The implementations register themselves where they live (`maskaq.synthesis.sources`,
`maskaq.quantization.backends`), which needs torch and takes seconds. A menu needs only the names,
so they stand here a second time; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from maskaq.config.options import Coefficients, SynthesisOptions

__all__ = [
    "BACKEND_NAMES",
    "DISTILLING",
    "DRAWING",
    "LEARNING",
    "OWN_TERMS",
    "SHIPPED",
    "SOURCE_NAMES",
    "coefficients_of",
]

SOURCE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "maskaq": "Every term that has a coefficient, alignment with Q included "
        "(Qian et al. 2026).",
        "mimiq": "MaskAQ without similarity entropy and alignment, as MimiQ (Choi et al. 2025) "
        "had it.",
        "psaq": "Patches whose features are alike in many different ways (PSAQ-ViT, ECCV 2022).",
        "sardfq": "Attention after random patterns, crops with classes of their own "
        "(SARDFQ, ICCV 2025).",
        "e2h": "Whole images first, then ever smaller crops (our reading of DFQ-ViT, 2025).",
        "noise": "Normal noise, clamped to valid pixels: what any method must beat.",
        "real": "Images of the calibration split, for comparison: not data-free.",
    }
)
# Sources that improve their images step by step, so that steps matter to them.
DRAWING = frozenset({"maskaq", "mimiq", "psaq", "sardfq", "e2h"})
# Those of them whose terms belong to the method, whatever coefficients a run has.
OWN_TERMS: Mapping[str, Coefficients] = MappingProxyType(
    {
        "psaq": Coefficients(one_hot=1.0, patch_entropy=1.0, tv_target=0.05),
        "sardfq": Coefficients(one_hot=0.0, soft_label=1.0, attention_prior=0.01, tv=0.05),
        "e2h": Coefficients(one_hot=1.0, tv=2.5e-5),
    }
)
# Sources with stored runs that ship with the app.
SHIPPED = ("maskaq", "mimiq", "noise", "real")

BACKEND_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "minmax": "the range that clips nothing; one pass",
        "mse": "ranges of least squared error, log-sqrt2 softmax; one pass",
        "tails": "`mse` with ranges that clip less and an adaptive log GELU; one pass",
        "repq": "ranges per channel folded into LayerNorm (RepQ-ViT); one pass",
        "adalog": "log grids of free base, ranges by output error (AdaLog); one pass",
        "correction": "`tails`, block outputs moved to P's mean; one pass",
        "reconstruct": "blocks repeat P's: turned heads, GPTQ, learned rounding",
        "lsq-kd": "learned steps and weights, distilled from P with masked head outputs",
    }
)
# Back-ends that train Q towards P, so that epochs, mask and refreshes matter to them.
DISTILLING = frozenset({"lsq-kd"})
# Back-ends that learn, informative patches counting more, so that the mask matters to them.
LEARNING = DISTILLING | {"reconstruct"}


def coefficients_of(options: SynthesisOptions) -> Coefficients:
    """The weights of the terms that a run really has.

    >>> coefficients_of(SynthesisOptions(source="e2h")).tv
    2.5e-05
    """
    return OWN_TERMS.get(options.source, options.coefficients)
