"""The pass of images that sets the ranges of Q, and what has to be adapted in the same pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from maskaq.quantization.conversion.channel_factors import scaling_channels
from maskaq.quantization.conversion.layernorm_folding import folding
from maskaq.quantization.quantizers.base import Quantizer, observing


def _own_search(quantizer: Quantizer, x: Tensor) -> None:
    quantizer.calibrate(x)


@contextmanager
def setting_ranges(
    q: nn.Module, observer: Callable[[Quantizer, Tensor], None] = _own_search
) -> Iterator[None]:
    """While open, a pass of images sets all ranges; layers are folded and scaled before.

    Args:
        observer: sets the range of a quantizer from its input; by default by its own search.
    """
    with observing(q, observer), folding(q), scaling_channels(q):
        yield
