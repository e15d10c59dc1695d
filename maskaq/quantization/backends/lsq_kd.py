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
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from maskaq.config import FitOptions
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.attention import Maps, record
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.backends.ranges_only import MOST_IMAGES, set_ranges
from maskaq.quantization.convert import Scheme
from maskaq.quantization.distillation import distillation_loss, head_loss, informative_tokens
from maskaq.synthesis.augmentation import AUGMENTATIONS

LSQ = Scheme(search="l4", activations="lsq", gelu="adaptive-log")
_STEP_RATE = 10.0  # steps are logarithms and move this much faster than weights under Adam


@add_backend("lsq-kd", LSQ, "learned steps and weights, distilled from P with masked head outputs")
def fit_lsq(task: FitTask) -> Iterator[Event]:
    """Train Q; one event per optimiser step, those of refreshes in between."""
    options, images = task.options, task.images
    start = task.inputs(images[:MOST_IMAGES])
    set_ranges(task.q, start)
    task.q.requires_grad_(True)
    generator = torch.Generator(start.device).manual_seed(task.seed)
    optimiser = _optimiser(task.q, options)
    rates = [group["lr"] for group in optimiser.param_groups]
    per_epoch = math.ceil(len(images) / options.batch)
    total, done = options.epochs * per_epoch, 0
    for epoch in range(options.epochs):
        if task.redraw and options.refresh and epoch and epoch % options.refresh == 0:
            task.q.requires_grad_(False)
            for item in task.redraw(task.q):
                if isinstance(item, Tensor):
                    images = item
                else:
                    yield item
            task.q.requires_grad_(True)
        order = torch.randperm(len(images), generator=generator, device=start.device)
        for chosen in order.cpu().split(options.batch):
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done / total)))
            inputs = task.inputs(images[chosen])
            batch = AUGMENTATIONS["crops"](inputs, done, total, generator)
            with _cast(task, inputs.device.type):
                losses = _losses(task, batch)
            optimiser.zero_grad(set_to_none=True)
            torch.stack(list(losses.values())).sum().backward()
            optimiser.step()
            done += 1
            metrics = {name: value.item() for name, value in losses.items()}
            if not all(math.isfinite(value) for value in metrics.values()):
                raise MaskaqError(
                    f"the loss of lsq-kd is {metrics} at step {done}; use a smaller learning rate "
                    f"than {options.lr} or the back-end mse."
                )
            yield Event("fit", done, total, metrics)
    task.q.requires_grad_(False)


def _optimiser(q: nn.Module, options: FitOptions) -> Optimizer:
    steps = [p for name, p in q.named_parameters() if name.endswith(("log_scale", "zero_point"))]
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
