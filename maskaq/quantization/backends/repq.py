"""`repq`: RepQ-ViT (Li et al., ICCV 2023, arXiv 2212.08254); one pass, no training.

LayerNorm outputs get ranges per channel, which are then folded into the LayerNorm and the next
layer's weight, so that integer arithmetic needs a single range. That weight is rounded after the
folding. Softmax outputs have log-sqrt2 levels at up to 5 bits and GELU outputs uniform ones, as in
the paper. Unlike the paper, weights are symmetric, the patch embedding and the head have 8 bits
unless the options say otherwise, and ranges minimise the fourth power of the error: 3 to 6 points
better on `scenes_vit` than the paper's percentiles (`range_search.percentile`).
"""

from __future__ import annotations

from maskaq.quantization.backends.base import Backend
from maskaq.quantization.backends.ranges_only import fit_ranges
from maskaq.quantization.conversion.convert import Scheme

REPQ = Scheme(search="l4", layernorm="folded")

BACKEND = Backend(REPQ, fit_ranges)
