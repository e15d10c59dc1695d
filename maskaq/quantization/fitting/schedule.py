"""Training helpers shared by the learning back-ends: schedule, block outputs, Fisher weights."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maskaq.models.structure import structure_of

# Sum of log p(y) over a batch of outputs, with y sampled from them; see `tasks.base.Task`.
Likelihood = Callable[[Tensor, torch.Generator], Tensor]


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
    """While open, append the output [B,..,C] of each unit of a backbone to the list."""
    outputs: list[Tensor] = []
    names = structure_of(model).units
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _, __, out: outputs.append(out))
        for name in names
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def fisher_weights(
    p: nn.Module,
    images: Tensor,
    prefix: int,
    generator: torch.Generator,
    likelihood: Likelihood,
    batch: int = 16,
) -> list[Tensor]:
    """How much each block output matters to P's prediction: [..,C], mean 1, equal for all patches.

    The Fisher information of an output o, E[(d log p(y) / d o)^2] with y sampled from P's
    prediction, is the curvature of the KL divergence between P and a P whose o is slightly changed.
    BRECQ (Li et al., ICLR 2021) weights reconstruction errors by it. Averaging over images (after
    APHQ-ViT, Wu et al., CVPR 2025) makes it stable with few of them. The weights here are its
    square root: the information itself is 20 to 50 times higher on the class token, too high to
    learn from few images.

    Args:
        p: a backbone, frozen.
        images: normalised [N,3,S,S].
        prefix: number of prefix tokens.
        generator: samples y.
        likelihood: of the task.
    """
    sums: list[Tensor] = []
    with block_outputs(p) as outputs:
        for part in images.split(batch):
            outputs.clear()
            answers = p(part.clone().requires_grad_())
            grads = torch.autograd.grad(likelihood(answers, generator), outputs)
            squares = [grad.square().sum(0) for grad in grads]  # [..,C]
            sums = [a + b for a, b in zip(sums, squares, strict=True)] if sums else squares
    return [_root_weights(total, prefix) for total in sums]


def _root_weights(squares: Tensor, prefix: int) -> Tensor:
    """Root of squares [..,C], averaged over patches and scaled to mean 1: [..,C]."""
    tokens = squares.flatten(0, -2)  # [T,C]
    patches = tokens[prefix:].mean(0, keepdim=True).expand(len(tokens) - prefix, -1)  # [N,C]
    weights = torch.cat([tokens[:prefix], patches]).sqrt()  # [T,C]
    return (weights / weights.mean()).view_as(squares)
