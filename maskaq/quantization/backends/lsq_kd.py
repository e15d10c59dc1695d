"""`lsq-kd`: MaskAQ's calibration (section 2.6, Eq. 16 and Algorithm 1; MimiQ's without the mask).

The weights, step sizes and zero points of Q are trained on the images to match P: distillation of
the logits plus masked similarity of the head outputs. Every `refresh` epochs the images are
refreshed against the current Q.

Paper and released code quantize everything uniformly per tensor (`QuantOptions(softmax="uniform",
layernorm="tensor")`, as in the method `maskaq-paper`). By default this back-end uses log-sqrt2
levels for softmax outputs and ranges per channel after LayerNorm, as `mse` does.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maskaq.augment.views import AUGMENTATIONS
from maskaq.checkpoints import State
from maskaq.config import FitOptions
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.attention import Maps, heads_of_patches, record
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.backends.ranges_only import MOST_IMAGES, set_ranges
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.fitting.distillation import (
    head_loss,
    informative_tokens,
)
from maskaq.quantization.fitting.schedule import CosineSchedule
from maskaq.quantization.quantizers.lsq import learned_steps

LSQ = Scheme(search="l4", activations="lsq", gelu="adaptive-log")
_NAME = "lsq-kd"  # of its checkpoint
_STEP_RATE = 10.0  # learning rate of (logarithmic) step sizes under Adam, relative to weights


def fit_lsq(task: FitTask) -> Iterator[Event]:
    """Train Q; yields one event per step, and the events of refreshes between them."""
    options, training = task.options, _Training(task)
    yield from training.resume()
    while training.epoch < options.epochs:
        if training.order is None:
            yield from training.begin_epoch()
        assert training.order is not None, "an epoch has begun"
        for chosen in training.order.cpu().split(options.batch)[training.batches :]:
            yield training.step(chosen)
            task.checkpoints.offer(_NAME, training.state)
        training.end_epoch()
    task.q.requires_grad_(False)


BACKEND = Backend(LSQ, fit_lsq)


class _Training:
    """The state of a training.

    order: of the images in this epoch, int64 [N]; None before the epoch begins.
    done: steps done in total.
    batches: batches done in this epoch.
    """

    def __init__(self, task: FitTask) -> None:
        self.task, self.images = task, task.images
        inputs = task.inputs(self.images[:MOST_IMAGES])
        set_ranges(task.q, inputs)
        task.q.requires_grad_(True)
        self.device = inputs.device
        self.generator = torch.Generator(self.device).manual_seed(task.seed)
        self.optimiser = _optimiser(task.q, task.options)
        self.total = task.options.epochs * math.ceil(len(self.images) / task.options.batch)
        self.schedule = CosineSchedule(self.optimiser, self.total, last=0.01)
        self.done = self.epoch = self.batches = 0
        self.order: Tensor | None = None
        self.events: list[Event] = []

    def begin_epoch(self) -> Iterator[Event]:
        """Refresh the images if this epoch is due for it, and shuffle them."""
        task, every = self.task, self.task.options.refresh
        if task.resynthesize and every and self.epoch and self.epoch % every == 0:
            task.q.requires_grad_(False)
            for item in task.resynthesize(task.q):
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
        """Prepare for the first batch of the next epoch."""
        self.epoch, self.batches, self.order = self.epoch + 1, 0, None

    def step(self, chosen: Tensor) -> Event:
        """Train one step on the images with these indices, int64 [B].

        Raises:
            MaskaqError: the loss is not finite.
        """
        task, done, total = self.task, self.done, self.total
        self.schedule.set_rates(done)
        inputs = task.inputs(self.images[chosen])
        batch = AUGMENTATIONS["crops"](inputs, done, total, self.generator).images
        half = task.precision == "bfloat16"
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=half):
            losses = _losses(task, batch)
        self.optimiser.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        self.optimiser.step()
        self.done, self.batches = done + 1, self.batches + 1
        metrics = {name: value.item() for name, value in losses.items()}
        if not all(math.isfinite(value) for value in metrics.values()):
            raise MaskaqError(
                f"the loss of lsq-kd is {metrics} at step {self.done}; use a smaller learning rate "
                f"than {task.options.lr} or the back-end mse."
            )
        self.events.append(Event("fit", self.done, total, metrics))
        return self.events[-1]

    def state(self) -> State:
        """The checkpoint: everything that the next steps depend on."""
        assert self.order is not None, "checkpoints are taken within an epoch"
        return {
            "q": self.task.q.state_dict(),
            "generator": self.generator.get_state(),
            "optimiser": self.optimiser.state_dict(),
            "images": self.images,
            "order": self.order,
            "progress": (self.done, self.epoch, self.batches),
            "events": [vars(event) for event in self.events],
        }

    def resume(self) -> Iterator[Event]:
        """Load the checkpoint, if there is one; yields the events before it again."""
        state = self.task.checkpoints.recall(_NAME)
        if state is None:
            return
        self.task.q.load_state_dict(state["q"])
        self.generator.set_state(state["generator"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.images, self.order = state["images"], state["order"].to(self.device)
        self.done, self.epoch, self.batches = state["progress"]
        self.events = [Event(**values) for values in state["events"]]
        yield from self.events


def _optimiser(q: nn.Module, options: FitOptions) -> Optimizer:
    steps = learned_steps(q)
    step_ids = {id(step) for step in steps}
    weights = [value for value in q.parameters() if id(value) not in step_ids]
    if options.optimiser == "sgd":
        return torch.optim.SGD([*weights, *steps], options.lr, momentum=0.9, nesterov=True)
    groups: list[dict[str, Any]] = [
        {"params": weights},
        {"params": steps, "lr": options.lr * _STEP_RATE},
    ]
    return torch.optim.Adam(groups, options.lr)


def _losses(task: FitTask, batch: Tensor) -> dict[str, Tensor]:
    """Terms of the calibration loss on one batch [B,3,S,S], [] each."""
    options = task.options
    if not options.head_weight:
        with torch.no_grad():
            outputs_p = task.p(batch)
        return {"distillation": _distillation(outputs_p, task.q(batch), task)}
    with torch.no_grad(), record(task.p) as maps_p:
        outputs_p = task.p(batch)
    with record(task.q) as maps_q:
        outputs_q = task.q(batch)
    heads = torch.stack(
        [_block_loss(p, q, task) for p, q in zip(maps_p, maps_q, strict=True)]
    )  # [L]
    return {
        "distillation": _distillation(outputs_p, outputs_q, task),
        "heads": options.head_weight * heads.mean(),
    }


def _distillation(outputs_p: Tensor, outputs_q: Tensor, task: FitTask) -> Tensor:
    temperature = task.options.temperature
    return task.purpose.divergence(outputs_p.float(), outputs_q.float(), temperature)


def _block_loss(p: Maps, q: Maps, task: FitTask) -> Tensor:
    options = task.options
    heads_p, heads_q = (heads_of_patches(maps, task.prefix).float() for maps in (p, q))  # [B,H,N,d]
    mask = informative_tokens(heads_p, options.mask_ratio)
    return head_loss(heads_p, heads_q, mask, options.mask_weight, options.reading)
