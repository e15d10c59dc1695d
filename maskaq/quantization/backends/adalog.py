"""`adalog`: logarithmic grids with a searched base, and ranges by the layer's output error.

After AdaLog (Wu et al., ECCV 2024, arXiv 2407.12951). Softmax outputs, and GELU outputs shifted to
be positive, have levels delta * 2^(-t code) with a searched t. For softmax outputs, t starts at 1/2
(log-sqrt2) and changes only if that reduces the error of the product with the values. The ranges of
GELU outputs, attention outputs and the head's input minimise the squared error of the layer's
output (`fitting.output_error`). LayerNorm outputs have ranges per channel, not folded, searched as
in `tails`. One pass; each layer sees inputs that the layers before it have quantized.

Unlike AdaLog: t is a real number, not a fraction for a lookup table, and weights, q, k and v have
the range of their own least squared error.
"""

from __future__ import annotations

from collections.abc import Iterator

from maskaq.events import Event
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.fitting.output_error import set_ranges_by_output

ADALOG = Scheme(search="l4", softmax="log-base", gelu="adaptive-log")


def fit_adalog(task: FitTask) -> Iterator[Event]:
    """Calibrate Q on the images; one event at the end."""
    set_ranges_by_output(task.q, task.inputs(task.images[:MOST_IMAGES]))
    yield Event("fit", 1, 1)


BACKEND = Backend(ADALOG, fit_adalog)
