"""A grid for softmax outputs whose base is free, after AdaLog (Wu et al., ECCV 2024)."""

from __future__ import annotations

import torch
from torch import Tensor

from maskaq.quantization.quantizers.base import QUANTIZERS, LogSqrt2


@QUANTIZERS.register("log-base")
class LogBase(LogSqrt2):
    """Levels delta * 2^(-t code) for values in [0, 1]; log-sqrt2 is the case t = 1/2.

    A range from values alone leaves t at 1/2, since the t of least squared error was worse: the
    many small probabilities add up, and their squares do not show it. `product.set_by_product`
    moves t.
    """

    step: Tensor

    def __init__(self, bits: int, groups: int, search: str) -> None:
        super().__init__(bits, groups, search)
        self.register_buffer("step", torch.full((groups,), LogSqrt2.octaves))

    @property
    def octaves(self) -> float:  # type: ignore[override]
        return float(self.step)
