"""QDrop (Wei et al., ICLR 2022): leave random activations unrounded while a block is trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers.base import PerRow, Quantizer, quantizers


@contextmanager
def qdrop(block: nn.Module, share: float, generator: torch.Generator) -> Iterator[None]:
    """While open, a random share of the rows of every activation is not rounded."""
    activations = [one for _, one in quantizers(block) if not isinstance(one, PerRow)]

    def quantize(quantizer: Quantizer, x: Tensor) -> Tensor:
        rounded = type(quantizer).quantize(quantizer, x)
        rows = torch.rand((*x.shape[:-1], 1), generator=generator, device=x.device) < share
        return torch.lerp(rounded, x, rows.to(x.dtype))

    try:
        for one in activations:
            vars(one)["quantize"] = partial(quantize, one)
        yield
    finally:
        for one in activations:
            vars(one).pop("quantize", None)
