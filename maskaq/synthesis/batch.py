"""One batch of images on its way: augment, ask P (and Q), weigh the terms, move the images.

The images are the only thing that learns. An image whose values, loss or gradient are not finite
takes no further part; a blank one goes through the models in its place, and the others do not
notice.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from maskaq.config import SynthesisOptions
from maskaq.models.attention import Maps, maps_of, record
from maskaq.models.loading import Loaded
from maskaq.regions.mask import informative_mask, patch_attention, random_drop, ratio_at
from maskaq.synthesis.augmentation import AUGMENTATIONS
from maskaq.synthesis.objectives import NEEDS_MAPS, NEEDS_Q, OBJECTIVES, StepState
from maskaq.synthesis.parametrisation import Parametrisation

__all__ = ["Batch", "MakeQ", "Setting", "private_copy"]

MakeQ = Callable[[Tensor], nn.Module]
FINAL_RATE = 0.05  # share of the learning rate that is left at the last step


@dataclass(frozen=True, eq=False)
class Setting:
    """What all batches of a synthesis share. model: its own copy of P, on `device`."""

    loaded: Loaded
    model: nn.Module
    options: SynthesisOptions
    precision: str
    device: torch.device
    make_q: MakeQ | None

    @property
    def coefficients(self) -> dict[str, float]:
        """Of the terms that are on."""
        return {k: v for k, v in asdict(self.options.coefficients).items() if v > 0}

    def cast(self) -> torch.autocast:
        """A context in which models and views of images run in the precision of this synthesis."""
        half = self.precision == "bfloat16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=half)

    def run(self, model: nn.Module, images: Tensor) -> Tensor:
        """Logits [B,K]."""
        with self.cast():
            logits: Tensor = model(images)
        return logits

    def run_recorded(self, model: nn.Module, images: Tensor) -> tuple[Tensor, list[Maps]]:
        """Logits [B,K] and the maps of each block."""
        with record(model) as maps:
            return self.run(model, images), maps

    def maps(self, model: nn.Module, images: Tensor) -> list[Maps]:
        """The maps of each block, and nothing that comes after the last one."""
        with self.cast():
            return maps_of(model, images)


def private_copy(model: nn.Module, device: torch.device, precision: str = "float32") -> nn.Module:
    """A frozen copy of P or Q to record and to move about, while others use the original.

    Weights of products are kept in the precision of the passes, or autocast would convert them in
    each one. On the CPU attention is explicit: the backward pass of torch's fused kernel takes
    more than twice as long there.
    """
    made = copy.deepcopy(model).to(device).eval().requires_grad_(False)
    for module in made.modules():
        if device.type == "cpu" and hasattr(module, "fused_attn"):
            vars(module)["fused_attn"] = False
        weight = getattr(module, "weight", None)
        if precision == "bfloat16" and weight is not None and weight.ndim > 1:
            for parameter in module.parameters(recurse=False):
                parameter.data = parameter.data.bfloat16()
    return made


class Batch:
    """A batch of images with their labels; `advance` makes one step.

    dead: bool [B], the images that failed.
    """

    def __init__(
        self,
        setting: Setting,
        source: Parametrisation,
        labels: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.dead = torch.zeros(len(labels), dtype=torch.bool, device=setting.device)
        self._setting = setting
        self._source = source
        self._labels = labels.to(setting.device)
        self._generator = generator
        self._q: nn.Module | None = None
        self._adam = torch.optim.Adam(source.parameters(), lr=setting.options.lr)

    def images(self) -> Tensor:
        """The images now, normalised [B,3,S,S]; marks those that are not finite as dead."""
        images = self._source.images()
        self.dead = self.dead | ~_finite(images.detach())
        return self._without_dead(images)

    def state(self) -> dict[str, Tensor]:
        """What the parametrisation needs to go on from here."""
        return self._source.state()

    def advance(self, step: int) -> dict[str, float]:
        """One step, counted from 0. Returns the metrics, means over the images that are left."""
        images = self.images()
        terms = self._terms(images, step)
        each = torch.zeros(len(images), device=images.device)
        for name, value in terms.items():
            each = each + self._setting.coefficients[name] * value  # [B]; [] goes to every image
        self.dead = self.dead | ~each.detach().isfinite()
        self._move(torch.where(self.dead, 0.0, each).mean(), step)
        alive = ~self.dead
        if not alive.any():
            return {}
        shown = {**terms, "loss": each}
        means = torch.stack(
            [value.detach().expand_as(each)[alive].mean() for value in shown.values()]
        )
        metrics = dict(zip(shown, means.tolist(), strict=True))
        if "align" in terms:
            metrics["mask_ratio"] = self._ratio(step)
        return metrics

    def _ratio(self, step: int) -> float:
        return ratio_at(step, self._setting.options.steps, *self._setting.options.mask_ratio)

    def _terms(self, images: Tensor, step: int) -> dict[str, Tensor]:
        """Value of each term that is on in this step, [B] or []."""
        setting, options = self._setting, self._setting.options
        active = [
            name
            for name in setting.coefficients
            if name not in NEEDS_Q or step >= int(options.align_from * options.steps)
        ]
        with setting.cast():
            seen = AUGMENTATIONS[options.augmentation](images, step, options.steps, self._generator)
        maps_p = maps_q = mask = None
        if any(name in NEEDS_MAPS for name in active):
            logits, maps_p = setting.run_recorded(setting.model, seen)
        else:
            logits = setting.run(setting.model, seen)
        if any(name in NEEDS_Q for name in active):
            assert maps_p is not None
            maps_q = setting.maps(self._quantized(images), seen)
            alpha = patch_attention(maps_p, setting.loaded.prefix, options.reading)  # [B,N]
            mask = informative_mask(alpha, self._ratio(step))  # [B,N]
            mask = random_drop(mask, options.drop, self._generator, options.reading)
        state = StepState(
            images=images,
            logits=logits,
            labels=self._labels,
            maps_p=maps_p,
            maps_q=maps_q,
            mask=mask,
            prefix=setting.loaded.prefix,
            reading=options.reading,
            generator=self._generator,
            products=getattr(torch, setting.precision),
        )
        return {name: OBJECTIVES[name](state) for name in active}

    def _quantized(self, images: Tensor) -> nn.Module:
        """Q, made from the images as they are when it is first asked for."""
        if self._q is None:
            assert self._setting.make_q is not None
            q = self._setting.make_q(images.detach()[~self.dead])
            self._q = private_copy(q, self._setting.device, self._setting.precision)
        return self._q

    def _without_dead(self, values: Tensor) -> Tensor:
        """The same [B,3,..], with zeros for the images that failed."""
        if not self.dead.any():
            return values
        return torch.where(self.dead[:, None, None, None], 0.0, values)

    def _move(self, loss: Tensor, step: int) -> None:
        """Adam's step, at a rate that falls along a cosine to 5 %."""
        if not loss.requires_grad:  # no term is on yet
            return
        parameters = self._source.parameters()
        gradients = torch.autograd.grad(loss, parameters)
        for gradient in gradients:
            self.dead = self.dead | ~_finite(gradient)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = self._without_dead(gradient)
        cosine = (1 + math.cos(math.pi * step / self._setting.options.steps)) / 2
        rate = self._setting.options.lr * (FINAL_RATE + (1 - FINAL_RATE) * cosine)
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        self._source.clamp()


def _finite(values: Tensor) -> Tensor:
    """Which images have only finite values: [B,..] -> bool [B].

    One value that is not finite makes the sum so; looking at each takes ten times as long.
    """
    return values.flatten(1).sum(1).isfinite()
