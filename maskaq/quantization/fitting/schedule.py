"""What all that learn Q share: falling rates, what they keep to go on from, outputs of blocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maskaq.checkpoints import named, pack_optimiser, part, unpack_optimiser

__all__ = ["Falling", "block_outputs", "pack_q", "unpack_q"]


class Falling:
    """Learning rates of an optimiser that fall from what they are to a share `last` of it.

    total: steps until then. The optimiser may take up a state that was kept: its groups are then
    new, and the rates fall from where they were when this was made.
    """

    def __init__(self, optimiser: Optimizer, total: int, last: float = 0.0) -> None:
        self._optimiser, self._total, self._last = optimiser, total, last
        self._rates = [group["lr"] for group in optimiser.param_groups]

    def at(self, done: int, part: float = 1.0) -> None:
        """Set the rates for the step after `done` ones, or a part of them."""
        cosine = 0.5 * (1 + math.cos(math.pi * done / self._total))
        for group, rate in zip(self._optimiser.param_groups, self._rates, strict=True):
            group["lr"] = rate * (self._last + (1 - self._last) * cosine) * part


def pack_q(
    q: nn.Module, generator: torch.Generator, optimiser: Optimizer | None = None
) -> dict[str, Tensor]:
    """Q on its way and what decides on its next step, as tensors by name."""
    tensors = named("q", q.state_dict().items()) | {"generator": generator.get_state()}
    return tensors | (pack_optimiser(optimiser) if optimiser else {})


def unpack_q(
    tensors: Mapping[str, Tensor],
    q: nn.Module,
    generator: torch.Generator,
    optimiser: Optimizer | None = None,
) -> None:
    """Bring Q, the generator and the optimiser back to that."""
    q.load_state_dict(part(tensors, "q"))
    generator.set_state(tensors["generator"])
    if optimiser:
        unpack_optimiser(optimiser, tensors)


@contextmanager
def block_outputs(model: nn.Module) -> Iterator[list[Tensor]]:
    """While open, the outputs [B,T,C] of a timm ViT's blocks, one after the other."""
    found: list[Tensor] = []
    blocks: list[nn.Module] = list(model.blocks)  # type: ignore[arg-type]
    hooks = [block.register_forward_hook(lambda _, __, out: found.append(out)) for block in blocks]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
