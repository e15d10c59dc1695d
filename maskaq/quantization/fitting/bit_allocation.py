"""Mixed precision: bits for the weight of each layer, with a given average.

A layer is worth more bits if rounding its weight changes P's prediction more. The change is
estimated for all layers and bit widths from one pass forward and back: for small errors dy of a
layer's outputs, KL(P || Q) is about 1/2 E[(g dy)^2], where g is the gradient of log p(y) and y is
sampled from P's prediction (the Fisher information, as in `fisher_weights`). The errors of
different weights are taken to be independent. HAWQ-V3 (Yao et al., ICML 2021) chooses bits with an
integer program in the same way, from the trace of the Hessian instead.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import Bounds, LinearConstraint, milp
from torch import Tensor, nn

from maskaq.config import BITS, QuantOptions
from maskaq.errors import OptionError
from maskaq.quantization.conversion.convert import FIRST_LAST
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.fitting.schedule import Likelihood
from maskaq.quantization.quantizers.base import PerRow

_BATCH = 16


@dataclass(frozen=True)
class Sensitivity:
    """What rounding the weight of one layer costs.

    weights: number of weights. loss: estimated KL divergence in nats, by number of bits.
    """

    weights: int
    loss: Mapping[int, float]


class _Squares:
    """Sums of the squares of a layer's inputs, [C_in], and of its output gradients, [C_out]."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        self._last = isinstance(layer, nn.Linear)  # where the channels are
        self.inputs = self.gradients = torch.zeros(())
        self.count = 0  # of the rows of the inputs

    def _rows(self, x: Tensor) -> Tensor:
        x = x.detach().float() if self._last else x.detach().float().movedim(1, -1)
        return x.flatten(0, -2)  # [n,C]

    def on_forward(self, _: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        rows = self._rows(args[0])
        self.inputs = self.inputs + rows.square().sum(0)
        self.count += len(rows)
        out.register_hook(self._on_gradient)

    def _on_gradient(self, gradient: Tensor) -> None:
        self.gradients = self.gradients + self._rows(gradient).square().sum(0)


@contextmanager
def _recording(layers: Mapping[str, nn.Linear | nn.Conv2d]) -> Iterator[dict[str, _Squares]]:
    squares = {name: _Squares(layer) for name, layer in layers.items()}
    hooks = [
        layer.register_forward_hook(squares[name].on_forward) for name, layer in layers.items()
    ]
    try:
        yield squares
    finally:
        for hook in hooks:
            hook.remove()


def mixed_layers(q: nn.Module, options: QuantOptions) -> list[str]:
    """The names of Q's layers whose bits may differ: all but a first and last layer at 8 bits."""
    fixed = FIRST_LAST if options.first_last == "8" else ()
    kinds = (QuantLinear, QuantConv2d)
    layers = [(name, one) for name, one in q.named_modules() if isinstance(one, kinds)]
    return [name for name, one in layers if one.role not in fixed]


def sensitivities(
    p: nn.Module,
    names: list[str],
    images: Tensor,
    generator: torch.Generator,
    likelihood: Likelihood,
) -> dict[str, Sensitivity]:
    """The cost of rounding each layer's weight to 2 to 8 bits, alone and to the nearest level.

    Args:
        p: frozen.
        names: of the linear and convolutional layers to be rounded.
        images: normalised [N,3,S,S].
        generator: samples y.
        likelihood: of the task.
    """
    layers: dict[str, nn.Linear | nn.Conv2d] = {n: p.get_submodule(n) for n in names}  # type: ignore[misc]
    with _recording(layers) as squares:
        for part in images.split(_BATCH):
            likelihood(p(part.clone().requires_grad_()), generator).backward()
    return {
        name: Sensitivity(layer.weight.numel(), _losses(layer, squares[name], len(images)))
        for name, layer in layers.items()
    }


@torch.no_grad()
def _losses(layer: nn.Linear | nn.Conv2d, squares: _Squares, images: int) -> dict[int, float]:
    """1/2 sum_o E[g_o^2] sum_i dw_oi^2 E[x_i^2] by bits."""
    inputs = squares.inputs / squares.count  # [C_in]
    gradients = squares.gradients / images  # [C_out]
    losses = {}
    for bits in BITS:
        quantizer = PerRow(bits, len(layer.weight), "mse").to(layer.weight.device)
        quantizer.calibrate(layer.weight)
        error = (quantizer.quantize(layer.weight) - layer.weight).square()  # [C_out,C_in,..]
        error = error.flatten(2).sum(2) if error.ndim > 2 else error  # [C_out,C_in/groups]
        repeated = inputs.view(-1, error.shape[1])  # [groups,C_in/groups]
        by_row = repeated.repeat_interleave(len(error) // len(repeated), 0)  # [C_out,C_in/groups]
        losses[bits] = 0.5 * float((gradients * (error * by_row).sum(1)).sum())
    return losses


def allocate(sensitivity: Mapping[str, Sensitivity], average: float) -> dict[str, int]:
    """The bits of each layer with the least total loss, at most `average` bits per weight.

    An integer program with one binary variable per layer and bit width, solved exactly.

    Raises:
        OptionError: the average is below the fewest bits.

    >>> layers = {"a": Sensitivity(10, {2: 8.0, 4: 1.0}), "b": Sensitivity(10, {2: 3.0, 4: 1.0})}
    >>> allocate(layers, 3.0)
    {'a': 4, 'b': 2}
    """
    choices = [(name, bits) for name, one in sensitivity.items() for bits in sorted(one.loss)]
    loss = np.array([sensitivity[name].loss[bits] for name, bits in choices])
    size = np.array([sensitivity[name].weights * bits for name, bits in choices], dtype=float)
    total = sum(one.weights for one in sensitivity.values())
    one_each = np.array([[name == layer for name, _ in choices] for layer in sensitivity])
    found = milp(
        loss / max(loss.max(), np.finfo(float).tiny),
        constraints=[
            LinearConstraint(one_each, 1, 1),
            LinearConstraint(size / total, 0, average),
        ],
        integrality=np.ones(len(choices)),
        bounds=Bounds(0, 1),
        options={"mip_rel_gap": 0},
    )
    if found.x is None:
        fewest = min(BITS)
        raise OptionError(f"average_bits is {average!r}; allowed: {fewest} or more.")
    return {
        name: bits for (name, bits), chosen in zip(choices, found.x, strict=True) if chosen > 0.5
    }
