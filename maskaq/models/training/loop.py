"""The loop that trains the bundled models: a schedule, checkpoints, and a progress bar."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from maskaq import checkpoints
from maskaq.models.training.muon import Muon

_SECONDS = 60  # between checkpoints
_SHOWN = 20  # steps between two updates of the numbers beside the bar

StepLoss = Callable[[int], tuple[Tensor, Mapping[str, Tensor]]]


@dataclass(frozen=True)
class Schedule:
    """steps: with a learning rate that warms up to `lr` and falls to 0 along a cosine.

    optimiser: `"adamw"`, or `"muon"` for the hidden matrices, with AdamW at a fifth of the rate for
    the rest.
    """

    steps: int
    lr: float
    warmup: int
    weight_decay: float
    optimiser: str = "adamw"

    def rate(self, step: int) -> float:
        """The learning rate of a step, as a share of `lr`."""
        return (
            min(1.0, (step + 1) / self.warmup) * 0.5 * (1 + math.cos(math.pi * step / self.steps))
        )


def fit(model: nn.Module, schedule: Schedule, loss: StepLoss, checkpoint: Path) -> None:
    """Train in place, with a checkpoint every 60 s; resumes from `checkpoint` if it exists.

    Args:
        loss: returns the loss of a step, [], and what to show beside the bar. It must depend on the
            step alone, so that an interrupted training resumes with the same result.
    """
    optimisers = _optimisers(model, schedule)
    first = 0
    if checkpoint.exists():
        state = checkpoints.read(checkpoint)
        model.load_state_dict(state["model"])
        for optimiser, values in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(values)
        first = state["step"]
    saved, total = time.monotonic(), schedule.steps
    bar = tqdm(range(first, total), initial=first, total=total, desc=checkpoint.stem, mininterval=5)
    model.train()
    for step in bar:
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = group["initial_lr"] * schedule.rate(step)
        value, shown = loss(step)
        model.zero_grad(set_to_none=True)
        value.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        if step % _SHOWN == 0:
            bar.set_postfix({name: f"{one.item():.3f}" for name, one in shown.items()})
        if time.monotonic() - saved > _SECONDS or step + 1 == total:
            states = [optimiser.state_dict() for optimiser in optimisers]
            weights = {"model": model.state_dict(), "optimisers": states}
            checkpoints.write(checkpoint, weights | {"step": step + 1})
            saved = time.monotonic()
    model.eval()


def normalise(images: Tensor) -> Tensor:
    """Convert uint8 images to the input of the bundled models: mean and std 0.5."""
    return images.float().div_(127.5).sub_(1.0)


def autocast(precision: str) -> torch.autocast:
    """Autocast on the CPU to `"bfloat16"`, or none for `"float32"`."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def _optimisers(model: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """AdamW with weight decay on matrices only, or Muon for the matrices and AdamW for the rest."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if schedule.optimiser == "adamw":
        return [_adamw([p for _, p in named], schedule.lr, schedule.weight_decay)]
    # Muon is made for hidden layers: not for the classifier and for tables of positions.
    hidden = [p for name, p in named if p.ndim == 2 and "head" not in name and "bias" not in name]
    rest = [p for _, p in named if not any(p is one for one in hidden)]
    muon = Muon(hidden, schedule.lr, schedule.weight_decay)
    return [muon, _adamw(rest, schedule.lr / 5, schedule.weight_decay)]


def _adamw(parameters: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group | {"initial_lr": lr} for group in groups], lr=lr, fused=True)
