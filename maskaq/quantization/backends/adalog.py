"""`adalog`: logarithmic grids whose base is free, and ranges by the layer's output error.

After AdaLog (Wu et al., ECCV 2024, arXiv 2407.12951): GELU outputs, shifted to be positive, and
softmax outputs have levels delta * 2^(-t code) with t searched for; a softmax starts at log-sqrt2
(t = 1/2) and leaves it only where the product with the values gains. The ranges of GELU outputs,
attention outputs and the head's input are those of least squared change of the layer's product
(`product`). What LayerNorm feeds has a range per channel, unfolded and searched as in `tails`. One
pass; each layer sees inputs that the layers before it have quantized.

Other than in AdaLog: bases are real numbers instead of fractions for a table, weights keep the
least squared error of their own, and so do q, k and v.
"""

from __future__ import annotations

from collections.abc import Iterator

from maskaq.events import Event
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.fitting.output_error import set_by_product

ADALOG = Scheme(search="l4", softmax="log-base", gelu="adaptive-log")


@add_backend("adalog", ADALOG, "log grids of free base, ranges by output error (AdaLog); one pass")
def fit_adalog(task: FitTask) -> Iterator[Event]:
    """Calibrate Q on the samples; one event at the end."""
    set_by_product(task.q, task.inputs(task.images[:MOST_IMAGES]))
    yield Event("fit", 1, 1)
