"""Training helpers shared by the learning back-ends: learning-rate schedule and block outputs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.optim import Optimizer


class CosineSchedule:
    """Decreases the learning rates of an optimiser along a cosine.

    The initial rates are those at construction, so make it before loading an optimiser state.

    Args:
        total: steps of the schedule.
        last: final rate as a fraction of the initial one.
    """

    def __init__(self, optimiser: Optimizer, total: int, last: float = 0.0) -> None:
        self._optimiser, self._total, self._last = optimiser, total, last
        self._rates = [group["lr"] for group in optimiser.param_groups]

    def set_rates(self, step: int, factor: float = 1.0) -> None:
        """Set the rates, times `factor`, for this step, counted from 0."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / self._total))
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * (self._last + (1 - self._last) * cosine) * factor


@contextmanager
def block_outputs(model: nn.Module) -> Iterator[list[Tensor]]:
    """While open, append the output [B,T,C] of each block of a timm ViT to the list."""
    outputs: list[Tensor] = []
    blocks: list[nn.Module] = list(model.blocks)  # type: ignore[arg-type]
    hooks = [
        block.register_forward_hook(lambda _, __, out: outputs.append(out)) for block in blocks
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()
