"""`correction`: `tails`, and after each block what Q's output lacks of P's on average.

Our reading of DFQ-ViT (arXiv 2507.14481), whose equations are not public; see
`maskaq.quantization.conversion.bias_correction`. Ranges and corrections are set in the same pass,
so that each block is calibrated on inputs that were corrected before, and is corrected with its
final ranges.
Each token has a correction of its own; `Scheme.correction="channel"`, with one for all patches, was
worse on ViT-Tiny (54 instead of 58 % at W4A4) and is no back-end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from maskaq.events import Event
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.backends.ranges_only import MOST_IMAGES, TAILS, set_ranges
from maskaq.quantization.conversion.bias_correction import correcting, mean_outputs

CORRECTION = replace(TAILS, correction="token")


@add_backend("correction", CORRECTION, "`tails`, block outputs moved to P's mean; one pass")
def fit_correction(task: FitTask) -> Iterator[Event]:
    """Set ranges and corrections block after block; one event at the end."""
    images = task.inputs(task.images[:MOST_IMAGES])
    with correcting(task.q, mean_outputs(task.p, images)):
        set_ranges(task.q, images)
    yield Event("fit", 1, 1)
