"""`reconstruct`: bring each block of Q close to P's block, on the inputs that it has in Q.

Blocks are the units of the backbone's body (`units_of`): layers that merge patches are units too.

Heads are rotated so that one step size fits all of their channels (`head_rotation`). Ranges have
the least error of the layers' outputs, as in `adalog`, separately for the class token
(`per_token`). Then, block by block, weights are rounded so that they compensate each other's errors
(`gptq`). With few bits all of Q is finetuned at the end with fixed weight codes (`finetune`).
Images have views as varied as photographs (`augment.mixing`).

Optionally the rounding of a block's weights is learned as well (AdaRound), together with the step
sizes of the activations (LSQ). Random parts of the activations then stay unrounded against
overfitting (QDrop, Wei et al., ICLR 2022), and errors are weighted by how much P's prediction
depends on them (`fisher_weights`), those of informative patches by `mask_weight`: MaskAQ's mask
(section 2.6) in a back-end that needs no gradients through all of Q. It is off by default, because
it gained nothing over GPTQ in the time that it took (`benchmarks/README.md`).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim import Adam

from maskaq.augment.mixing import combine_frequencies, vary
from maskaq.checkpoints import State
from maskaq.config import FitOptions
from maskaq.errors import MaskaqError
from maskaq.events import Event
from maskaq.models.backbone import Unit, units_of
from maskaq.quantization.backends.base import Backend, FitTask
from maskaq.quantization.backends.ranges_only import MOST_IMAGES
from maskaq.quantization.conversion.convert import Scheme
from maskaq.quantization.fitting.adaround import SoftRounding
from maskaq.quantization.fitting.best_state import BestState
from maskaq.quantization.fitting.finetune import TuningImages, finetune
from maskaq.quantization.fitting.gptq import apply_gptq, recording_moments
from maskaq.quantization.fitting.output_error import set_ranges_by_output
from maskaq.quantization.fitting.qdrop import qdrop
from maskaq.quantization.fitting.schedule import CosineSchedule, fisher_weights
from maskaq.quantization.quantizers.lsq import learned_steps

RECONSTRUCT = Scheme(
    search="l4",
    activations="lsq",
    softmax="log-base",
    gelu="adaptive-log",
    per_token=True,
    rotate_heads=True,
)
_NAME = "reconstruct"  # of its checkpoint
_BATCH = 32  # images in a pass without gradients
_MOST_VIEWS = 1024  # block inputs of P and of Q for all views are held in memory
_FISHER_VIEWS = 64
_HELD_OUT = 8  # one image in so many judges the finetuning
_WARM_UP = 0.2  # fraction of the steps before the regulariser of the rounding begins
_BETA = (20.0, 2.0)  # of the regulariser, from then to the end


def fit_reconstruct(task: FitTask) -> Iterator[Event]:
    """Reconstruct Q block by block; one event per step.

    Raises:
        MaskaqError: the loss is not finite.
    """
    options = task.options.reconstruction
    units_p = units_of(task.p)  # raises where there is no chain of them
    device = _device(task)
    generator = torch.Generator(device).manual_seed(task.seed)
    views = _views(task, task.images.to(device), generator)
    if kept := task.checkpoints.recall(_NAME):
        task.q.load_state_dict(kept["q"])
    else:
        set_ranges_by_output(task.q, views[:MOST_IMAGES])
    task.q.requires_grad_(False)
    weights = fisher_weights(
        task.p, views[:_FISHER_VIEWS], task.prefix, generator, task.purpose.likelihood
    )
    units_q = [replace(unit, module=task.q.get_submodule(unit.name)) for unit in units_p]
    x_p, x_q = _inputs_of(units_p[0], task.p, views), _inputs_of(units_q[0], task.q, views)
    blocks = list(zip(units_p, units_q, weights, strict=True))
    per_block = 1 + options.steps  # events
    total = len(blocks) * per_block + options.tuned(task.formats, task.extra_tune_bits)
    events: list[Event] = []
    if kept:
        generator.set_state(kept["generator"])
        events = [Event(**values) for values in kept["events"]]
    yield from events
    finished = len(events) // per_block  # blocks

    def state() -> State:
        q, values = task.q.state_dict(), [vars(event) for event in events]
        return {"q": q, "generator": generator.get_state(), "events": values}

    for index, (p, q, weight) in enumerate(blocks):
        x_p = _forward(p, x_p)
        block = _Block(q, x_q, x_p, weight)
        for loss in _reconstruct(task, block, generator) if index >= finished else ():
            _check_finite(loss, index, step=len(events) - index * per_block)
            events.append(Event("fit", len(events) + 1, total, {"block": loss}))
            yield events[-1]
        task.checkpoints.offer(_NAME, state)
        x_q = _forward(q, x_q)
    for step, losses in enumerate(_finetune(task, generator), start=len(events) + 1):
        yield Event("fit", step, total, losses)


BACKEND = Backend(RECONSTRUCT, fit_reconstruct)


def _check_finite(loss: float, block: int, step: int) -> None:
    if not math.isfinite(loss):
        raise MaskaqError(
            f"the loss of block {block} is {loss} at step {step}; use smaller learning rates in "
            "fit.reconstruction, or the back-end tails."
        )


def _finetune(task: FitTask, generator: torch.Generator) -> Iterator[dict[str, float]]:
    """Finetune Q, each step on new views of some images; yields the losses of each step.

    An eighth of the images is held out, to tell how close Q is to P on images it is not trained on.
    """
    options, images = task.options.reconstruction, task.images.to(_device(task))
    options = replace(options, tune=options.tuned(task.formats, task.extra_tune_bits))
    if not options.tune:
        return
    count = max(1, len(images) // _HELD_OUT)
    held_out, trained = images[:count], images[count:] if count < len(images) else images

    def views(of: Tensor, size: int) -> Tensor:
        coarse, fine = torch.randint(
            len(of), (2, size), generator=generator, device=of.device
        )  # [B] each
        mixed = combine_frequencies(of[coarse], of[fine], generator)
        return task.inputs(vary(mixed, generator))

    check, loss = views(held_out, 2 * _BATCH), task.purpose.divergence
    tuning = TuningImages(lambda: views(trained, options.batch), generator, check, loss)
    yield from finetune(task.p, task.q, tuning, options, task.precision, task.checkpoints)


def _device(task: FitTask) -> torch.device:
    return next(task.p.parameters()).device


def _views(task: FitTask, images: Tensor, generator: torch.Generator) -> Tensor:
    """The images unchanged and varied views of them: normalised [M,3,S,S]."""
    views = task.options.reconstruction.views
    images = images[: max(1, _MOST_VIEWS // views)]
    batches = [images, *(vary(images, generator) for _ in range(views - 1))]
    return torch.cat([task.inputs(batch) for batch in batches])  # [M,3,S,S]


class _FirstUnitError(Exception):
    """Ends a forward pass at the first unit."""


@torch.no_grad()
def _inputs_of(unit: Unit, model: nn.Module, images: Tensor) -> Tensor:
    """Inputs of the model's first unit, [M,..,C]."""
    inputs: list[Tensor] = []

    def stop(_: nn.Module, args: tuple[Tensor, ...]) -> None:
        inputs.append(args[0])
        raise _FirstUnitError

    hook = unit.module.register_forward_pre_hook(stop)
    try:
        for batch in images.split(_BATCH):
            try:
                model(batch)
            except _FirstUnitError:
                continue
    finally:
        hook.remove()
    return torch.cat(inputs)  # [M,..,C]


@torch.no_grad()
def _forward(unit: Unit, x: Tensor) -> Tensor:
    return torch.cat([unit(part) for part in x.split(_BATCH)])  # [M,..,C]


@dataclass(frozen=True)
class _Block:
    """A block of Q and what it is trained on.

    inputs: of the block in Q, [M,..,C]. targets: outputs of P's block, likewise. weight: of squared
    errors, [..,C].
    """

    unit: Unit
    inputs: Tensor
    targets: Tensor
    weight: Tensor

    @torch.no_grad()
    def error(self) -> float:
        """Weighted mean squared error of the block's outputs."""
        batches = zip(self.inputs.split(_BATCH), self.targets.split(_BATCH), strict=True)
        sums = [((self.unit(x) - y).square() * self.weight).sum() for x, y in batches]
        return float(torch.stack(sums).sum() / self.targets.numel())


def _reconstruct(task: FitTask, block: _Block, generator: torch.Generator) -> Iterator[float]:
    """Round a block's weights by GPTQ, then train it; yields errors relative to nearest rounding.

    Of nearest rounding, GPTQ's and the trained block, the one with the least error stays.
    """
    module = block.unit.module
    with recording_moments(module) as moments:
        best = BestState(module, block.error)
    nearest = best.error
    for layer, own in moments.items():
        apply_gptq(layer, own)
    best.offer()
    yield best.error / nearest if nearest else 1.0
    if task.options.reconstruction.steps:
        roundings = [SoftRounding(layer) for layer in moments]
        yield from _train(task, block, roundings, nearest, generator)
        for rounding in roundings:
            rounding.finish()
        module.requires_grad_(False)
        best.offer()
    best.restore()
    for layer in moments:
        layer.weight.copy_(layer.weight_quantizer(layer.weight))


def _train(
    task: FitTask,
    block: _Block,
    roundings: list[SoftRounding],
    initial_error: float,
    generator: torch.Generator,
) -> Iterator[float]:
    """Learn rounding and step sizes; yields losses relative to the initial error."""
    options, inputs, targets = task.options.reconstruction, block.inputs, block.targets
    optimiser = _optimiser(task, block, roundings)
    schedule = CosineSchedule(optimiser, options.steps)
    token_weights = _token_weights(targets, task.prefix, task.options)  # [M,..]
    half = task.precision == "bfloat16"
    for step in range(options.steps):
        schedule.set_rates(step)
        chosen = torch.randint(
            len(targets), (options.batch,), generator=generator, device=targets.device
        )  # [B]
        with (
            qdrop(block.unit.module, options.drop, generator),
            torch.autocast(targets.device.type, torch.bfloat16, enabled=half),
        ):
            out = block.unit(inputs[chosen])  # [B,..,C]
        error = (out.float() - targets[chosen]).square() * block.weight
        loss = (error.mean(-1) * token_weights[chosen]).mean() / initial_error
        total = loss
        if step >= _WARM_UP * options.steps:
            done = (step / options.steps - _WARM_UP) / (1 - _WARM_UP)
            beta = _BETA[0] + (_BETA[1] - _BETA[0]) * done
            regulariser = torch.stack([one.regulariser(beta) for one in roundings]).mean()
            total = loss + options.decision * regulariser
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        optimiser.step()
        yield loss.item()


def _optimiser(task: FitTask, block: _Block, roundings: list[SoftRounding]) -> Adam:
    options, steps = task.options.reconstruction, learned_steps(block.unit.module)
    for parameter in steps:
        parameter.requires_grad_(True)
    choices = [rounding.choice for rounding in roundings]
    return Adam(
        [
            {"params": choices, "lr": options.rounding_lr},
            {"params": steps, "lr": options.step_lr},
        ]
    )


def _token_weights(targets: Tensor, prefix: int, options: FitOptions) -> Tensor:
    """Weights [M,..]: `mask_weight` for the patches where P's outputs are largest, else 1."""
    tokens = targets.flatten(1, -2)  # [M,T,C]
    salience = tokens[:, prefix:].abs().mean(-1)  # [M,N]
    count = max(1, round(options.mask_ratio * salience.shape[1]))
    chosen = prefix + salience.topk(count, 1).indices  # [M,k]
    weights = torch.ones(tokens.shape[:2], device=targets.device)
    return weights.scatter_(1, chosen, options.mask_weight).view(targets.shape[:-1])  # [M,..]
