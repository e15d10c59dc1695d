"""Finetuning of all of Q with fixed weight codes: gains, biases, LayerNorms and step sizes.

Blocks reconstructed one by one still add up to a Q that is less confident than P: rounding to 3
bits shrinks and shifts activations. Here all of Q is trained at once to match the outputs of P and
of its blocks. The codes of the weights are fixed; each output channel has a gain that scales them.
These few parameters (0.9 % of ViT-Tiny's) gained as much in half the time as learning the weights
too (`benchmarks/README.md`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam

from maskaq.checkpoints import NOWHERE, Checkpoints, State
from maskaq.config import Reconstruction
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.fitting.best_state import BestState
from maskaq.quantization.fitting.schedule import CosineSchedule, block_outputs
from maskaq.quantization.quantizers.base import PerRow
from maskaq.quantization.quantizers.lsq import learned_steps
from maskaq.tasks.classification import TASK as CLASSIFICATION

_NAME = "tuning"  # of its checkpoint
_STEP_RATE = 2.0  # learning rate of step sizes, relative to that of all other parameters
_OUTPUTS_WEIGHT = 10.0  # of the block outputs in the loss
_WARM_UP = 20  # steps until the full learning rate
_CHECKS = 12  # times that Q is compared with P on the images held out
_LAST = 0.01  # final learning rate, as a fraction of the initial one


class RowGains(nn.Module):
    """Replaces a layer's weight quantizer while the gains [C_out] of its rows are learned."""

    def __init__(self, layer: QuantLinear | QuantConv2d) -> None:
        super().__init__()
        self._layer, self._source = [layer], layer.weight_quantizer  # a list hides it from modules
        source: PerRow = layer.weight_quantizer
        self._rounded: Tensor = source(layer.weight).detach()
        self.log_gain = nn.Parameter(torch.zeros_like(source.scale))
        layer.weight_quantizer = self  # type: ignore[assignment]

    def forward(self, weight: Tensor) -> Tensor:
        gain = self.log_gain.exp().view(-1, *[1] * (weight.ndim - 1))  # [C_out,1,..]
        return self._rounded * gain

    @torch.no_grad()
    def merge(self) -> None:
        """Multiply the layer's step sizes and weights by the gains, and put its quantizer back."""
        (layer,) = self._layer
        layer.weight.copy_(self(layer.weight))
        self._source.scale.mul_(self.log_gain.exp())
        layer.weight_quantizer = self._source


class TuningImages(NamedTuple):
    """Images to finetune on.

    sample: returns the normalised images [B,3,S,S] of a step, by means of the generator.
    check: normalised images [N,3,S,S], held out, that decide which state of Q is closest to P.
    loss: distance of the outputs of P and Q, [B,..] each.
    """

    sample: Callable[[], Tensor]
    generator: torch.Generator
    check: Tensor
    loss: Callable[[Tensor, Tensor], Tensor] = CLASSIFICATION.divergence


def finetune(
    p: nn.Module,
    q: nn.Module,
    images: TuningImages,
    options: Reconstruction,
    precision: str,
    checkpoints: Checkpoints = NOWHERE,
) -> Iterator[dict[str, float]]:
    """Learn everything except the integer weight codes, in place; yields the losses of each step.

    Q ends in the state, among the initial one and some of those it goes through, whose outputs for
    `images.check` are closest to P's.

    Args:
        p, q: frozen backbones.
        options: `tune` steps of Adam, whose rate starts at `tune_lr`.
        precision: of the forward passes of a step, `"float32"` or `"bfloat16"`.
    """
    target = _outputs(p, images.check)
    layers = [module for module in q.modules() if isinstance(module, QuantLinear | QuantConv2d)]
    gains = [RowGains(layer) for layer in layers]
    best = BestState(q, lambda: images.loss(target, _outputs(q, images.check)).item())
    yield from _train(p, q, images, options, precision, checkpoints, best)
    best.restore()
    for gain in gains:
        gain.merge()
    q.requires_grad_(False)


def _train(
    p: nn.Module,
    q: nn.Module,
    images: TuningImages,
    options: Reconstruction,
    precision: str,
    checkpoints: Checkpoints,
    best: BestState,
) -> Iterator[dict[str, float]]:
    optimiser = _optimiser(q, options.tune_lr)
    schedule = CosineSchedule(optimiser, options.tune, _LAST)
    done: list[dict[str, float]] = []
    if kept := checkpoints.recall(_NAME):
        q.load_state_dict(kept["q"])
        images.generator.set_state(kept["generator"])
        optimiser.load_state_dict(kept["optimiser"])
        done = kept["losses"]
        best.error, best.state = kept["error"], kept["best"]
    yield from done

    def state() -> State:
        return {
            "q": q.state_dict(),
            "generator": images.generator.get_state(),
            "optimiser": optimiser.state_dict(),
            "losses": done,
            "error": best.error,
            "best": best.state,
        }

    every = max(1, options.tune // _CHECKS)
    for step in range(len(done), options.tune):
        schedule.set_rates(step, min(1, (step + 1) / _WARM_UP))
        losses = _losses(p, q, images, precision)
        optimiser.zero_grad(set_to_none=True)
        (losses["distillation"] + _OUTPUTS_WEIGHT * losses["outputs"]).backward()
        optimiser.step()
        if (step + 1) % every == 0 or step + 1 == options.tune:
            best.offer()
        done.append({name: loss.item() for name, loss in losses.items()})
        yield done[-1]
        checkpoints.offer(_NAME, state)


def _losses(p: nn.Module, q: nn.Module, tuning: TuningImages, precision: str) -> dict[str, Tensor]:
    """Distances of the outputs and of the block outputs on new images, [] each."""
    images = tuning.sample()
    half = torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16")
    with half, block_outputs(p) as blocks_p, block_outputs(q) as blocks_q:
        with torch.no_grad():
            out_p = p(images)
        out_q = q(images)
    distances = [_distance(a, b) for a, b in zip(blocks_q, blocks_p, strict=True)]
    return {
        "distillation": tuning.loss(out_p.float(), out_q.float()),
        "outputs": torch.stack(distances).mean(),
    }


def _optimiser(q: nn.Module, lr: float) -> Adam:
    steps = learned_steps(q)
    step_ids = {id(step) for step in steps}
    others = [value for value in q.parameters() if value.ndim == 1 and id(value) not in step_ids]
    for value in (*others, *steps):
        value.requires_grad_(True)
    return Adam([{"params": others, "lr": lr}, {"params": steps, "lr": lr * _STEP_RATE}])


def _distance(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference relative to the mean square of the target, []."""
    x, target = x.float(), target.float()
    return (x - target).square().mean() / target.square().mean()


@torch.no_grad()
def _outputs(model: nn.Module, images: Tensor, batch: int = 32) -> Tensor:
    """Outputs [N,..] for images [N,3,S,S]."""
    return torch.cat([model(part) for part in images.split(batch)])  # [N,..]
