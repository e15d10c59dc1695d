"""SmoothQuant (arXiv 2211.10438): move large channels of a layer's input into its weight.

Integer arithmetic has one step size for all channels of an input, and a few channels of a GELU
output are a hundred times as large as the others. With factors r [C] (Eq. 3 and 4),

    x W^T = (x / r) (W r)^T,        r_c = max|x_c|^a / max|W_c|^(1-a)

the channels of x / r are alike, at the cost of one elementwise product in front of the layer. The
product is not folded into what comes before, as SmoothQuant does after a LayerNorm, because GELU
lies in between. Factors are used only in layers whose output they make clearly better.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.range_search import fake_quantize

_STRENGTHS = (0.5, 0.75, 1.0)  # a
_GAIN = 0.8  # of the squared error of the output, at most, for factors to be used
_TOKENS = 512  # in a comparison
_LEAST = 1e-3  # of the largest channel: what smaller ones count as


@contextmanager
def scaling_channels(q: nn.Module) -> Iterator[None]:
    """While open, a pass of images chooses the factors of all layers that may have them.

    Enter it inside `calibrating` or `observing`, which then see the scaled inputs and weights.
    """
    layers = [
        module
        for module in q.modules()
        if isinstance(module, QuantLinear) and module.input_factor is not None
    ]
    hooks = [layer.register_forward_pre_hook(_choose) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _choose(layer: Any, args: tuple[Tensor]) -> None:
    """Set the factor of a layer from its input [...,C], relative to the one that it has."""
    x = (args[0] * layer.input_factor).float().flatten(0, -2)  # [n,C]
    largest, weight = x.abs().amax(0), layer.weight  # [C], [C_out,C]
    rows = x[:: -(-len(x) // _TOKENS)]  # [m,C]
    error = partial(_output_error, layer, rows)
    best, factors = _GAIN * error(torch.ones_like(largest)), None
    for strength in _STRENGTHS:
        trial = _levelled(largest) ** strength / _levelled(weight.abs().amax(0)) ** (1 - strength)
        if (own := error(trial)) < best:
            best, factors = own, trial
    if factors is not None:
        layer.input_factor.div_(factors)
        weight.mul_(factors)


def _levelled(sizes: Tensor) -> Tensor:
    """Sizes of channels [C] without zeros, relative to the largest."""
    most = sizes.max().clamp(min=torch.finfo(torch.float32).tiny)
    return (sizes / most).clamp(min=_LEAST)


def _output_error(layer: Any, x: Tensor, factors: Tensor) -> float:
    """Squared error of the output for inputs [m,C], with ranges searched for these factors."""
    inputs, rows = layer.input_quantizer, layer.weight_quantizer
    scaled, weight = x / factors, layer.weight * factors
    values = scaled.reshape(-1, 1)  # [m*C,1]
    rounded = fake_quantize(values, inputs.search(values, inputs.form), inputs.form).view_as(x)
    columns = weight.T  # [C,C_out]
    levels = fake_quantize(columns, rows.search(columns, rows.form), rows.form)  # [C,C_out]
    return float((rounded @ levels - x @ layer.weight.T).square().sum())
