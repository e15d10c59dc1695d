"""`lsq-kd`: MaskAQ's calibration (section 2.6, Eq. 16 and Algorithm 1; MimiQ's without the mask).

Q's weights, steps and zero points are trained to repeat P on the samples: distillation of the
logits plus the masked similarity of the head outputs. Every few epochs the samples are drawn anew
against the current Q.

Paper and released code quantize everything uniformly, per tensor (`QuantOptions(softmax="uniform",
layernorm="tensor")`, as method `maskaq-paper` has it). Left to itself this back-end takes log-sqrt2
levels for the softmax outputs and one range per channel after LayerNorm, as `mse` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maskaq.augment.views import AUGMENTATIONS
from maskaq.checkpoints import State, pack, unpack
from maskaq.config import FitOptions
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.attention import Maps, record
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.backends.ranges_only import MOST_IMAGES, set_ranges
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.fitting.distillation import (
    distillation_loss,
    head_loss,
    informative_tokens,
)
from maskaq.quantization.fitting.schedule import Falling, pack_q, unpack_q
from maskaq.quantization.quantizers.lsq import learned_steps

LSQ = Scheme(search="l4", activations="lsq", gelu="adaptive-log")
_NAME = "lsq-kd"  # of its checkpoint
_STEP_RATE = 10.0  # steps are logarithms and move this much faster than weights under Adam


@add_backend("lsq-kd", LSQ, "learned steps and weights, distilled from P with masked head outputs")
def fit_lsq(task: FitTask) -> Iterator[Event]:
    """Train Q; one event per optimiser step, those of refreshes in between."""
    options, training = task.options, _Training(task)
    yield from training.recall()
    while training.epoch < options.epochs:
        if training.order is None:
            yield from training.begin_epoch()
        assert training.order is not None, "an epoch has begun"
        for chosen in training.order.cpu().split(options.batch)[training.place :]:
            yield training.step(chosen)
            task.checkpoints.offer(_NAME, training.state)
        training.end_epoch()
    task.q.requires_grad_(False)


class _Training:
    """Q on its way. order: of the images in this epoch, int64 [N]; None before it begins. place:
    batches of it that are done."""

    def __init__(self, task: FitTask) -> None:
        self.task, self.images = task, task.images
        start = task.inputs(self.images[:MOST_IMAGES])
        set_ranges(task.q, start)
        task.q.requires_grad_(True)
        self.device = start.device
        self.generator = torch.Generator(self.device).manual_seed(task.seed)
        self.optimiser = _optimiser(task.q, task.options)
        self.total = task.options.epochs * math.ceil(len(self.images) / task.options.batch)
        self.falling = Falling(self.optimiser, self.total, last=0.01)
        self.done = self.epoch = self.place = 0
        self.order: Tensor | None = None
        self.events: list[Event] = []

    def begin_epoch(self) -> Iterator[Event]:
        """Shuffle the images, now and then fresh ones."""
        task, options = self.task, self.task.options
        if task.redraw and options.refresh and self.epoch and self.epoch % options.refresh == 0:
            task.q.requires_grad_(False)
            for item in task.redraw(task.q):
                if isinstance(item, Tensor):
                    self.images = item
                else:
                    self.events.append(replace(item, images=None))
                    yield item
            task.q.requires_grad_(True)
        self.order = torch.randperm(
            len(self.images), generator=self.generator, device=self.device
        )  # [N]

    def end_epoch(self) -> None:
        """The next one begins with its first batch."""
        self.epoch, self.place, self.order = self.epoch + 1, 0, None

    def step(self, chosen: Tensor) -> Event:
        """One step on the images of these indices, int64 [B]."""
        task, done, total = self.task, self.done, self.total
        self.falling.at(done)
        inputs = task.inputs(self.images[chosen])
        batch = AUGMENTATIONS["crops"](inputs, done, total, self.generator)
        with _cast(task, inputs.device.type):
            losses = _losses(task, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimiser.step()
        self.done, self.place = done + 1, self.place + 1
        metrics = {name: value.item() for name, value in losses.items()}
        if not all(math.isfinite(value) for value in metrics.values()):
            raise MaskaqError(
                f"the loss of lsq-kd is {metrics} at step {self.done}; use a smaller learning rate "
                f"than {task.options.lr} or the back-end mse."
            )
        self.events.append(Event("fit", self.done, total, metrics))
        return self.events[-1]

    def state(self) -> State:
        """All that decides on the next step."""
        assert self.order is not None, "states are asked for within an epoch"
        where = {"done": self.done, "epoch": self.epoch, "place": self.place}
        tensors = pack_q(self.task.q, self.generator, self.optimiser)
        tensors |= {"images": self.images, "order": self.order}
        return State(tensors, {**pack(self.events).notes, **where})

    def recall(self) -> Iterator[Event]:
        """Go back to the state that was kept, if there is one; the events on the way to it."""
        known = self.task.checkpoints.recall(_NAME)
        if known is None:
            return
        tensors = known.tensors
        unpack_q(tensors, self.task.q, self.generator, self.optimiser)
        self.images, self.order = tensors["images"], tensors["order"].to(self.device)
        self.done, self.epoch, self.place = (known.notes[n] for n in ("done", "epoch", "place"))
        self.events = unpack(known)
        yield from self.events


def _optimiser(q: nn.Module, options: FitOptions) -> Optimizer:
    steps = learned_steps(q)
    known = {id(p) for p in steps}
    weights = [p for p in q.parameters() if id(p) not in known]
    if options.optimiser == "sgd":
        return torch.optim.SGD([*weights, *steps], options.lr, momentum=0.9, nesterov=True)
    groups: list[dict[str, Any]] = [
        {"params": weights},
        {"params": steps, "lr": options.lr * _STEP_RATE},
    ]
    return torch.optim.Adam(groups, options.lr)


def _losses(task: FitTask, batch: Tensor) -> dict[str, Tensor]:
    """Terms of the calibration loss on one batch [B,3,S,S], each []."""
    options = task.options
    if not options.head_weight:
        with torch.no_grad():
            wanted = task.p(batch)
        return {"distillation": _distillation(wanted, task.q(batch), options)}
    with torch.no_grad(), record(task.p) as maps_p:
        wanted = task.p(batch)
    with record(task.q) as maps_q:
        logits = task.q(batch)
    heads = torch.stack(
        [_block_loss(p, q, task) for p, q in zip(maps_p, maps_q, strict=True)]
    )  # [L]
    return {
        "distillation": _distillation(wanted, logits, options),
        "heads": options.head_weight * heads.mean(),
    }


def _cast(task: FitTask, device: str) -> torch.autocast:
    return torch.autocast(device, torch.bfloat16, enabled=task.precision == "bfloat16")


def _distillation(wanted: Tensor, logits: Tensor, options: FitOptions) -> Tensor:
    return distillation_loss(wanted.float(), logits.float(), options.temperature)


def _block_loss(p: Maps, q: Maps, task: FitTask) -> Tensor:
    options = task.options
    heads_p, heads_q = (maps.heads[:, :, task.prefix :].float() for maps in (p, q))  # [B,H,N,d]
    mask = informative_tokens(heads_p, options.mask_ratio)
    return head_loss(heads_p, heads_q, mask, options.mask_weight, options.reading)
