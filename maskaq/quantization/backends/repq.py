"""`repq`: RepQ-ViT (Li et al., ICCV 2023, arXiv 2212.08254), one pass of the samples, no training.

Each channel that LayerNorm feeds gets a range of its own, and they are folded into the LayerNorm
and the next layer's weight, so that integer arithmetic needs one for all; that weight is rounded
after the folding. Softmax outputs take log-sqrt2 levels up to 5 bits, GELU outputs uniform ones, as
in the paper. Other than there: weights are symmetric, patch embedding and head have 8 bits unless
asked for otherwise, and ranges have the least fourth power of the error, which was 3 to 6 points
better on `scenes_vit` than the paper's percentiles (`ranges.percentile`).
"""

from __future__ import annotations

from maskaq.quantization.backends.base import add_backend
from maskaq.quantization.backends.ranges_only import fit_ranges
from maskaq.quantization.conversion.convert import Scheme

REPQ = Scheme(search="l4", layernorm="folded")

_add = add_backend("repq", REPQ, "ranges per channel folded into LayerNorm (RepQ-ViT); one pass")
_add(fit_ranges)
