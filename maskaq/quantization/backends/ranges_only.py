"""Back-ends that set ranges in one pass of the calibration images, without training.

`minmax` is the plain uniform grid of PSAQ-ViT. `mse` searches every range for the least squared
error, has ranges per channel for LayerNorm outputs (RepQ-ViT folds these into the LayerNorm; here
they are simulated unfolded) and log-sqrt2 levels for softmax outputs. `tails` is `mse` with ranges
that clip less (`l4`) and adaptive logarithmic levels for GELU outputs.

`repq`: RepQ-ViT (Li et al., ICCV 2023, arXiv 2212.08254). LayerNorm outputs get ranges per channel,
which are then folded into the LayerNorm and the next layer's weight, so that integer arithmetic
needs a single range. That weight is rounded after the folding. Softmax outputs have log-sqrt2
levels at up to 5 bits and GELU outputs uniform ones, as in the paper. Unlike the paper, weights are
symmetric, the patch embedding and the head have 8 bits unless the options say otherwise, and ranges
minimise the fourth power of the error: 3 to 6 points better on `scenes_vit` than the paper's
percentiles (`range_search.percentile`).

`adalog`: AdaLog (Wu et al., ECCV 2024, arXiv 2407.12951). Softmax outputs, and GELU outputs shifted
to be positive, have levels delta * 2^(-t code) with a searched t. For softmax outputs, t starts at
1/2 (log-sqrt2) and changes only if that reduces the error of the product with the values. The
ranges of GELU outputs, attention outputs and the head's input minimise the squared error of the
layer's output (`fitting.output_error`). LayerNorm outputs have ranges per channel, not folded,
searched as in `tails`. Each layer sees inputs that the layers before it have quantized. Unlike
AdaLog: t is a real number, not a fraction for a lookup table, and weights, q, k and v have the
range of their own least squared error.

`correction`: `tails`, and a correction of the mean output of each block, our reading of DFQ-ViT
(arXiv 2507.14481), whose equations are not public; see `conversion.bias_correction`. Ranges and
corrections are set in the same pass: each block is calibrated on inputs that are already corrected,
and corrected with its final ranges. Each token has its own correction;
`Scheme(correction="channel")`, with one correction for all patches, was worse on ViT-Tiny (54
instead of 58 % at W4A4), so no back-end uses it.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.events import Event
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.conversion.bias_correction import correcting, mean_outputs
from maskaq.quantization.conversion.calibration import setting_ranges
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.fitting.output_error import set_ranges_by_output

MINMAX = Scheme("minmax", "minmax", softmax="uniform", layernorm="tensor")
MSE = Scheme(search="mse")
TAILS = Scheme(search="l4", gelu="adaptive-log")
REPQ = Scheme(search="l4", layernorm="folded")
ADALOG = Scheme(search="l4", softmax="log-base", gelu="adaptive-log")
CORRECTION = replace(TAILS, correction="token")
# More images than this do not improve the ranges; they only cost time and memory.
MOST_IMAGES = 256


@torch.no_grad()
def set_ranges(q: nn.Module, images: Tensor) -> None:
    """Set all ranges of Q in one pass of normalised images [N,3,S,S]."""
    with setting_ranges(q):
        q(images[:MOST_IMAGES])


def calibrated_q(p: nn.Module, options: QuantOptions, scheme: Scheme, images: Tensor) -> nn.Module:
    """Convert P and set all ranges on normalised images [N,3,S,S]; returns Q, frozen."""
    q = convert(p, options, scheme)
    set_ranges(q, images)
    return q.requires_grad_(False)


def fit_ranges(task: FitTask) -> Iterator[Event]:
    """Set every range by its own search; one event at the end."""
    set_ranges(task.q, _inputs(task))
    yield Event("fit", 1, 1)


def fit_adalog(task: FitTask) -> Iterator[Event]:
    """Set ranges by the error of the layers' outputs; one event at the end."""
    set_ranges_by_output(task.q, _inputs(task))
    yield Event("fit", 1, 1)


def fit_correction(task: FitTask) -> Iterator[Event]:
    """Set ranges and corrections block by block; one event at the end."""
    images = _inputs(task)
    with correcting(task.q, mean_outputs(task.p, images)):
        set_ranges(task.q, images)
    yield Event("fit", 1, 1)


def _inputs(task: FitTask) -> Tensor:
    return task.inputs(task.images[:MOST_IMAGES])  # [n,3,S,S]


MINMAX_BACKEND, MSE_BACKEND = Backend(MINMAX, fit_ranges), Backend(MSE, fit_ranges)
TAILS_BACKEND, REPQ_BACKEND = Backend(TAILS, fit_ranges), Backend(REPQ, fit_ranges)
ADALOG_BACKEND, CORRECTION_BACKEND = (
    Backend(ADALOG, fit_adalog),
    Backend(CORRECTION, fit_correction),
)
