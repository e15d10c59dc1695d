"""Quantizers: modules that round a tensor to a few levels, in float (fake quantization).

All state is in buffers or parameters, so that a state dict restores Q completely. Ranges are set in
one explicit calibration pass (`calibrating`); using a quantizer before that raises. Gradients are
those of the straight-through estimator: 1 inside the range, 0 where a value is clipped.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from maskaq.errors import NotCalibratedError
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.range_search import SEARCHES, Affine, Search, minmax, sample
from maskaq.quantization.quantizers.straight_through import round_uniform
from maskaq.registry import Registry


class Quantizer(nn.Module):
    """Base class: calibration state, and an observer that may see each input first.

    Args:
        bits: 2 to 8.
        groups: 1 for one range per tensor, else the number of channels (last dimension).
        search: name in `SEARCHES`, used by `calibrate`.
    """

    ready: Tensor

    def __init__(self, bits: int, groups: int, search: str, signed: bool = False) -> None:
        super().__init__()
        self.form = IntegerFormat(bits, signed)
        self.groups = groups
        self.search: Search = SEARCHES[search]
        self.observer: Callable[[Quantizer, Tensor], None] | None = None
        self.register_buffer("ready", torch.zeros((), dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        if self.observer is not None:
            self.observer(self, x)
        if not self.ready:
            raise NotCalibratedError(
                f"{type(self).__name__} has no range yet: run Q once inside calibrating(q)."
            )
        return self.quantize(x)

    def calibrate(self, x: Tensor) -> None:
        """Set the range from x [...,C], or from a sample of it if it is large."""
        with torch.no_grad():
            self.set_range(sample(x, self.groups, every_value=self.search is minmax))
            self.ready.fill_(True)

    @abstractmethod
    def set_range(self, x: Tensor) -> None:
        """Set the range from values [n,G]."""

    @abstractmethod
    def quantize(self, x: Tensor) -> Tensor:
        """Fake-quantize x [...,C]: same shape and dtype."""

    @abstractmethod
    def limits(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest representable value, [G] each."""


QuantizerFactory = Callable[[int, int, str], Quantizer]  # of bits, groups, search
QUANTIZERS: Registry[QuantizerFactory] = Registry("quantizer")


@QUANTIZERS.register("uniform")
class Uniform(Quantizer):
    """Evenly spaced levels: code = clip(round(x / s) + z), x_hat = s (code - z)."""

    scale: Tensor
    zero_point: Tensor

    def __init__(self, bits: int, groups: int, search: str, signed: bool = False) -> None:
        super().__init__(bits, groups, search, signed)
        self.register_buffer("scale", torch.ones(groups))
        self.register_buffer("zero_point", torch.zeros(groups))

    def set_range(self, x: Tensor) -> None:
        self.set_grid(self.search(x, self.form))

    def set_grid(self, affine: Affine) -> None:
        """Set step size and zero point."""
        self.scale.copy_(affine.scale)
        self.zero_point.copy_(affine.zero_point)

    def quantize(self, x: Tensor) -> Tensor:
        return round_uniform(x, self.scale, self.zero_point, self.form)

    def limits(self) -> tuple[Tensor, Tensor]:
        return (
            self.scale * (self.form.qmin - self.zero_point),
            self.scale * (self.form.qmax - self.zero_point),
        )


class PerRow(Uniform):
    """Symmetric grid for weights [C_out,...], one step per output channel."""

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search, signed=True)

    def calibrate(self, x: Tensor) -> None:
        # No subsampling: the search sees all weights, however large the layer.
        with torch.no_grad():
            self.set_range(x.detach().float().flatten(1).T)  # [n,C_out]
            self.ready.fill_(True)

    def quantize(self, x: Tensor) -> Tensor:
        scale, zero_point = column(self.scale, x), column(self.zero_point, x)  # [C_out,1,..]
        return round_uniform(x, scale, zero_point, self.form)


def column(values: Tensor, weight: Tensor) -> Tensor:
    """Values per output channel [C_out], to be combined with a weight [C_out,...]: [C_out,1,..]."""
    return values.view(-1, *[1] * (weight.ndim - 1))


def quantizers(model: nn.Module) -> Iterator[tuple[str, Quantizer]]:
    """All quantizers of Q with their dotted names."""
    for name, module in model.named_modules():
        if isinstance(module, Quantizer):
            yield name, module


@contextmanager
def observing(model: nn.Module, observer: Callable[[Quantizer, Tensor], None]) -> Iterator[None]:
    """While open, every quantizer calls `observer(quantizer, x)` before it quantizes x."""
    observed = [quantizer for _, quantizer in quantizers(model)]
    for quantizer in observed:
        quantizer.observer = observer
    try:
        yield
    finally:
        for quantizer in observed:
            quantizer.observer = None


@contextmanager
def calibrating(model: nn.Module) -> Iterator[None]:
    """While open, every quantizer sets its range from its input, then quantizes it.

    One forward pass calibrates all of Q, weights included. Each layer sees inputs that the layers
    before it have already quantized.
    """
    with observing(model, lambda quantizer, x: quantizer.calibrate(x)):
        yield
