"""`reconstruct`: block after block of Q learns to give what P's block gives, from Q's own inputs.

Heads are turned so that one step fits all of their channels (`rotation`), and weights begin where
each makes up for what the others lost (`gptq`). Then weights learn their rounding (AdaRound) and
activations their steps (LSQ), while parts of the activations stay unrounded at random (QDrop, Wei
et al., ICLR 2022), which keeps few images from being learned by heart; views of each image, as
varied as photographs (`variety`), help with the same. Errors are weighed by how much P's answer
depends on them (`sensitivity`), and informative patches count `mask_weight` times: MaskAQ's mask
(section 2.6) in a back-end without gradients through all of Q.

Ranges start where the layers' products change least on those views, as in `adalog`, and the class
token has its own (`by_token`). At the end, if asked for, all that is no weight's level is learned
through all of Q (`tuning`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.augment.mixing import crossed, varied
from maskaq.checkpoints import State, pack, unpack
from maskaq.config import FitOptions
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.quantization.backends.base import FitTask, add_backend
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.adaround import SoftRounding
from maskaq.quantization.fitting.finetune import Views, tune
from maskaq.quantization.fitting.fisher import sensitivity
from maskaq.quantization.fitting.gptq import compensate, watching
from maskaq.quantization.fitting.output_error import set_by_product
from maskaq.quantization.fitting.schedule import Falling, pack_q, unpack_q
from maskaq.quantization.quantizers.base import PerRow, Quantizer, quantizers
from maskaq.quantization.quantizers.lsq import learned_steps

RECONSTRUCT = Scheme(
    search="l4",
    activations="lsq",
    softmax="log-base",
    gelu="adaptive-log",
    apart=True,
    rotated=True,
)
_NAME = "reconstruct"  # of its checkpoint
_PART = 32  # images in a pass without gradients
_MOST_VIEWS = 1024  # whose inputs of a block, of P and of Q, are held in memory
_WARM = 0.2  # share of the steps before the regulariser begins
_BETA = (20.0, 2.0)  # of the regulariser, from then to the end


@dataclass
class _Stream:
    """What the blocks pass on: inputs of the next block of P and of Q, [M,T,C] each."""

    p: Tensor
    q: Tensor


@add_backend("reconstruct", RECONSTRUCT, "blocks repeat P's: turned heads, GPTQ, learned rounding")
def fit_reconstruct(task: FitTask) -> Iterator[Event]:
    """Reconstruct Q block by block; one event per step."""
    options = task.options.reconstruction
    device = next(task.p.parameters()).device
    generator = torch.Generator(device).manual_seed(task.seed)
    views = _views(task, task.images.to(device), generator)
    set_by_product(task.q, views[:MOST_IMAGES])
    task.q.requires_grad_(False)
    weights = sensitivity(task.p, views[:64], task.prefix, generator)
    stream = _Stream(_embedded(task.p, views), _embedded(task.q, views))
    blocks = list(zip(_blocks(task.p), _blocks(task.q), weights, strict=True))
    learned = len(blocks) * options.steps
    total = learned + options.tuned(task.formats)
    events: list[Event] = []
    if kept := task.checkpoints.recall(_NAME):
        unpack_q(kept.tensors, task.q, generator)
        events = unpack(kept)
    yield from events
    known = len(events) // options.steps  # blocks

    def state() -> State:
        return State(pack_q(task.q, generator), pack(events).notes)

    for number, (p, q, weight) in enumerate(blocks):
        wanted = _through(p, stream.p)
        steps = () if number < known else _learn(task, q, stream, wanted, weight, generator)
        for step, loss in steps:
            if not math.isfinite(loss):
                raise MaskaqError(
                    f"the loss of block {number} is {loss} at step {step}; use smaller learning "
                    "rates in fit.reconstruction, or the back-end tails."
                )
            events.append(Event("fit", number * options.steps + step, total, {"block": loss}))
            yield events[-1]
        task.checkpoints.offer(_NAME, state)
        stream = _Stream(wanted, _through(q, stream.q))
    for step, losses in enumerate(_tuned(task, views, generator), start=1):
        yield Event("fit", learned + step, total, losses)


def _tuned(task: FitTask, views: Tensor, generator: torch.Generator) -> Iterator[dict[str, float]]:
    """Losses of the steps through all of Q, each on fresh views of some of the images."""
    options, images = task.options.reconstruction, task.images.to(views.device)
    options = replace(options, tune=options.tuned(task.formats))

    def draw() -> Tensor:
        coarse, fine = torch.randint(
            len(images), (2, options.batch), generator=generator, device=images.device
        )
        made = crossed(images[coarse], images[fine], generator)
        return task.inputs(varied(made, generator))

    if options.tune:
        found = Views(draw, generator, judged=views[-2 * _PART :])
        yield from tune(task.p, task.q, found, options, task.precision, task.checkpoints)


def _views(task: FitTask, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images as they are, and varied views of them: normalised [M,3,S,S]."""
    views = task.options.reconstruction.views
    images = images[: max(1, _MOST_VIEWS // views)]
    made = [images, *(varied(images, generator) for _ in range(views - 1))]
    return torch.cat([task.inputs(part) for part in made])  # [M,3,S,S]


def _blocks(model: nn.Module) -> list[nn.Module]:
    vit: Any = model
    return list(vit.blocks)


class _EmbeddedError(Exception):
    """The first block has been reached."""


@torch.no_grad()
def _embedded(model: nn.Module, images: Tensor) -> Tensor:
    """Inputs of the first block, [M,T,C]."""
    found: list[Tensor] = []

    def stop(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found.append(inputs[0])
        raise _EmbeddedError

    hook = _blocks(model)[0].register_forward_pre_hook(stop)
    try:
        for part in images.split(_PART):
            try:
                model(part)
            except _EmbeddedError:
                continue
    finally:
        hook.remove()
    return torch.cat(found)  # [M,T,C]


@torch.no_grad()
def _through(block: nn.Module, x: Tensor) -> Tensor:
    return torch.cat([block(part) for part in x.split(_PART)])  # [M,T,C]


def _learn(
    task: FitTask,
    block: nn.Module,
    stream: _Stream,
    wanted: Tensor,
    weight: Tensor,
    generator: torch.Generator,
) -> Iterator[tuple[int, float]]:
    """Train one block; yields the steps done and the loss."""
    options = task.options.reconstruction
    before = _error(block, stream.q, wanted, weight)
    state = {name: value.clone() for name, value in block.state_dict().items()}
    with watching(block) as seen:
        _through(block, stream.q)
    for layer, moments in seen.items():
        compensate(layer, moments)
    roundings = [SoftRounding(layer) for layer in block.modules() if isinstance(layer, QuantLinear)]
    steps = learned_steps(block)
    for parameter in steps:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(
        [
            {"params": [one.choice for one in roundings], "lr": options.rounding_lr},
            {"params": steps, "lr": options.step_lr},
        ]
    )
    falling = Falling(optimiser, options.steps)
    marks = _informative(wanted, task.prefix, task.options)  # [M,T]
    for step in range(options.steps):
        falling.at(step)
        chosen = torch.randint(
            len(wanted), (options.batch,), generator=generator, device=wanted.device
        )
        half = task.precision == "bfloat16"
        with (
            dropped(block, options.drop, generator),
            torch.autocast(wanted.device.type, torch.bfloat16, enabled=half),
        ):
            out = block(stream.q[chosen])
        error = (out.float() - wanted[chosen]).square() * weight
        loss = (error.mean(-1) * marks[chosen]).mean() / before
        total = loss
        if step >= _WARM * options.steps:
            done = (step / options.steps - _WARM) / (1 - _WARM)
            beta = _BETA[0] + (_BETA[1] - _BETA[0]) * done
            undecided = torch.stack([one.undecided(beta) for one in roundings]).mean()
            total = loss + options.decision * undecided
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        yield step + 1, loss.item()
    for one in roundings:
        one.settle()
    block.requires_grad_(False)
    if _error(block, stream.q, wanted, weight) > before:  # it may not get worse
        block.load_state_dict(state)


@torch.no_grad()
def _error(block: nn.Module, inputs: Tensor, wanted: Tensor, weight: Tensor) -> float:
    """Weighed mean squared error of a block's outputs."""
    sums = [
        ((block(x) - y).square() * weight).sum()
        for x, y in zip(inputs.split(_PART), wanted.split(_PART), strict=True)
    ]
    return float(torch.stack(sums).sum() / wanted.numel())


def _informative(wanted: Tensor, prefix: int, options: FitOptions) -> Tensor:
    """Weight of each token, [M,T]: `mask_weight` where P's outputs are largest, else 1."""
    salience = wanted[:, prefix:].abs().mean(-1)  # [M,N]
    count = max(1, round(options.mask_ratio * salience.shape[1]))
    chosen = prefix + salience.topk(count, 1).indices  # [M,k]
    marks = torch.ones(wanted.shape[:2], device=wanted.device)
    return marks.scatter_(1, chosen, options.mask_weight)  # [M,T]


@contextmanager
def dropped(block: nn.Module, share: float, generator: torch.Generator) -> Iterator[None]:
    """While open, a random share of the rows of every activation passes unrounded."""
    found = [one for _, one in quantizers(block) if not isinstance(one, PerRow)]
    originals = [one.quantize for one in found]

    def partly(quantizer: Quantizer, x: Tensor) -> Tensor:
        rounded = type(quantizer).quantize(quantizer, x)
        rows = torch.rand((*x.shape[:-1], 1), generator=generator, device=x.device) < share
        return torch.lerp(rounded, x, rows.to(x.dtype))

    try:
        for one in found:
            vars(one)["quantize"] = lambda x, one=one: partly(one, x)
        yield
    finally:
        for one, _ in zip(found, originals, strict=True):
            vars(one).pop("quantize", None)
