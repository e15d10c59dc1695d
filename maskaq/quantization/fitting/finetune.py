"""What is left to learn once every weight has its level: gains, biases, LayerNorms and steps.

Blocks that repeat P's one by one still add up to a Q that answers less surely: rounding to 3 bits
shrinks and shifts what it passes on. Here all of Q follows P's answers and the outputs of P's
blocks at once. The levels of the weights stay as they are; a gain for each output channel moves
them together. These few numbers (0.9 % of ViT-Tiny's) gave as much in half of the time as learning
the weights as well (`benchmarks/README.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Adam

from maskaq.checkpoints import NOWHERE, Checkpoints, State
from maskaq.config import Reconstruction
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.fitting.distillation import distillation_loss
from maskaq.quantization.fitting.schedule import Falling, block_outputs, pack_q, unpack_q
from maskaq.quantization.quantizers.base import PerRow
from maskaq.quantization.quantizers.lsq import learned_steps

__all__ = ["Gained", "Views", "tune"]

_NAME = "tuning"  # of its checkpoint
_STEP_RATE = 2.0  # of the activations' steps, in parts of that of all others
_BLOCKS = 10.0  # what the blocks' outputs count beside the answer
_WARM = 20  # steps before the full rate
_LAST = 0.01  # of the rate, at the end


class Gained(nn.Module):
    """Takes the place of a layer's weight quantizer while its rows' gains [C_out] are learned."""

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
    def settle(self) -> None:
        """Give the layer its quantizer back, with steps and weights multiplied by the gains."""
        (layer,) = self._layer
        layer.weight.copy_(self(layer.weight))
        self._source.scale.mul_(self.log_gain.exp())
        layer.weight_quantizer = self._source


class Views(NamedTuple):
    """draw: gives the normalised images [B,3,S,S] of a step, by means of the generator. judged:
    normalised images [N,3,S,S] that tell whether Q came closer to P."""

    draw: Callable[[], Tensor]
    generator: torch.Generator
    judged: Tensor


def tune(
    p: nn.Module,
    q: nn.Module,
    views: Views,
    options: Reconstruction,
    precision: str,
    checkpoints: Checkpoints = NOWHERE,
) -> Iterator[dict[str, float]]:
    """Learn all that is no weight's level, in place; yields the losses of each step.

    If Q's answers on `views.judged` have moved away from P's by the end, Q is what it was before.

    Args:
        p, q: frozen timm ViTs. options: its `tune` steps of Adam, whose rate `tune_lr` falls as a
            cosine. precision: of the passes that learn, `"float32"` or `"bfloat16"`.
    """
    right = _answers(p, views.judged)
    before = distillation_loss(right, _answers(q, views.judged), 1.0)
    kept = {name: value.clone() for name, value in q.state_dict().items()}
    layers = [module for module in q.modules() if isinstance(module, QuantLinear | QuantConv2d)]
    gains = [Gained(layer) for layer in layers]
    optimiser = _optimiser(q, options.tune_lr)
    falling = Falling(optimiser, options.tune, _LAST)
    done: list[dict[str, float]] = []
    if known := checkpoints.recall(_NAME):
        unpack_q(known.tensors, q, views.generator, optimiser)
        done = list(known.notes["losses"])
    yield from done

    def state() -> State:
        return State(pack_q(q, views.generator, optimiser), {"losses": done})

    half = precision == "bfloat16"
    with block_outputs(p) as wanted, block_outputs(q) as found:
        for step in range(len(done), options.tune):
            falling.at(step, min(1, (step + 1) / _WARM))
            images = views.draw()
            wanted.clear()
            found.clear()
            with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                with torch.no_grad():
                    answer = p(images)
                own = q(images)
            losses = {
                "distillation": distillation_loss(answer.float(), own.float(), 1.0),
                "outputs": torch.stack(
                    [_apart(a, b) for a, b in zip(found, wanted, strict=True)]
                ).mean(),
            }
            optimiser.zero_grad(set_to_none=True)
            (losses["distillation"] + _BLOCKS * losses["outputs"]).backward()
            optimiser.step()
            done.append({name: loss.item() for name, loss in losses.items()})
            yield done[-1]
            checkpoints.offer(_NAME, state)
    for gain in gains:
        gain.settle()
    q.requires_grad_(False)
    after = distillation_loss(right, _answers(q, views.judged), 1.0)
    if not after <= before:  # NaN is no gain either
        q.load_state_dict(kept)


def _optimiser(q: nn.Module, lr: float) -> Adam:
    steps = learned_steps(q)
    known = {id(value) for value in steps}
    rest = [value for value in q.parameters() if value.ndim == 1 and id(value) not in known]
    for value in (*rest, *steps):
        value.requires_grad_(True)
    return Adam([{"params": rest, "lr": lr}, {"params": steps, "lr": lr * _STEP_RATE}])


def _apart(found: Tensor, wanted: Tensor) -> Tensor:
    """Squared difference as a share of what there is, []."""
    found, wanted = found.float(), wanted.float()
    return (found - wanted).square().mean() / wanted.square().mean()


@torch.no_grad()
def _answers(model: nn.Module, images: Tensor, batch: int = 32) -> Tensor:
    """Logits [N,K]."""
    return torch.cat([model(part) for part in images.split(batch)])  # [N,K]
