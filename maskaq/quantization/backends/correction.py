"""`correction`: `tails`, and a correction of the mean output of each block.

Our reading of DFQ-ViT (arXiv 2507.14481), whose equations are not public; see
`maskaq.quantization.conversion.bias_correction`. Ranges and corrections are set in the same pass:
each block is calibrated on inputs that are already corrected, and corrected with its final ranges.

Each token has its own correction. `Scheme(correction="channel")`, with one correction for all
patches, was worse on ViT-Tiny (54 instead of 58 % at W4A4), so no back-end uses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from maskaq.events import Event
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.backends.ranges_only import MOST_IMAGES, TAILS, set_ranges
from maskaq.quantization.conversion.bias_correction import correcting, mean_outputs

CORRECTION = replace(TAILS, correction="token")


def fit_correction(task: FitTask) -> Iterator[Event]:
    """Set ranges and corrections block by block; one event at the end."""
    images = task.inputs(task.images[:MOST_IMAGES])
    with correcting(task.q, mean_outputs(task.p, images)):
        set_ranges(task.q, images)
    yield Event("fit", 1, 1)


BACKEND = Backend(CORRECTION, fit_correction)
