"""One batch of images on its way: augment, ask P (and Q), weigh the terms, move the images.

The images are the only thing that learns. An image whose values, loss or gradient are not finite
takes no further part; a blank one goes through the models in its place, and the others do not
notice.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from maskaq.augment.views import AUGMENTATIONS
from maskaq.checkpoints import State
from maskaq.regions.mask import informative_mask, patch_attention, random_drop, ratio_at
from maskaq.synthesis.context import Quantized, Setting
from maskaq.synthesis.parametrisation import Parametrisation
from maskaq.synthesis.shortcuts import Plan, drawn, halved, plan
from maskaq.synthesis.terms.multi_semantic import View, draw_meanings, view
from maskaq.synthesis.terms.objectives import NEEDS_MAPS, NEEDS_Q, OBJECTIVES
from maskaq.synthesis.terms.step_state import Once, StepState

__all__ = ["Batch"]

FINAL_RATE = 0.05  # share of the learning rate that is left at the last step


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
        self._once = Once(generator.initial_seed(), setting.device)
        self._q: Quantized | None = None
        self._calibrated: Tensor | None = None  # the images from which that was made
        self._adam = torch.optim.Adam(source.parameters(), lr=setting.options.lr)

    def images(self) -> Tensor:
        """The images now, normalised [B,3,S,S]; marks those that are not finite as dead."""
        images = self._source.images()
        self.dead = self.dead | ~_finite(images.detach())
        return self._without_dead(images)

    def state(self) -> dict[str, Tensor]:
        """What the parametrisation needs to go on from here."""
        return self._source.state()

    def checkpoint(self, over: bool) -> State:
        """Everything that decides the next step; if there is none (`over`), the images alone."""
        parameters = [parameter.detach() for parameter in self._source.parameters()]
        state: State = {"parameters": parameters, "dead": self.dead}
        if not over:
            state |= {"generator": self._generator.get_state(), "adam": self._adam.state_dict()}
            state |= {"calibrated": self._calibrated}
        return state

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Return to a checkpoint of the same batch."""
        for parameter, value in zip(self._source.parameters(), state["parameters"], strict=True):
            parameter.copy_(value)
        self.dead = state["dead"].to(self._setting.device)
        if "generator" not in state:
            return
        self._generator.set_state(state["generator"])
        self._adam.load_state_dict(state["adam"])
        if state["calibrated"] is not None:
            self._q = self._quantized(state["calibrated"].to(self._setting.device))

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

    def _terms(self, images: Tensor, step: int) -> dict[str, Tensor]:
        """Value of each term that is on in this step, [B] or []."""
        setting, options = self._setting, self._setting.options
        now = plan(options, step)
        active = [name for name in setting.coefficients if name not in NEEDS_Q or now.aligns]
        shown, kind = self._view(images), AUGMENTATIONS[options.augmentation]
        with setting.cast():
            seen = kind(shown.images, step, options.steps, self._generator)
        state = StepState(
            images=images,
            labels=shown.labels,
            prefix=setting.loaded.prefix,
            reading=options.reading,
            generator=self._generator,
            products=getattr(torch, setting.precision),
            whole=shown.whole,
            grid=setting.grid(now.coarse),
            deviation=float(setting.loaded.std.mean()),
            once=self._once,
        )
        self._ask(state, seen, step, now, active)
        terms = {name: OBJECTIVES[name](state) for name in active}
        for name in NEEDS_Q:
            if name in terms:  # it stands for the steps without it
                terms[name] = options.savings.align_every * terms[name]
        return terms

    def _view(self, images: Tensor) -> View:
        """What this step shows P of the images [B,3,S,S], and its labels."""
        setting = self._setting
        if not setting.meanings:
            return View(images, self._labels)
        classes = len(setting.loaded.class_names)
        own = self._once(
            "meanings", lambda g: draw_meanings(len(images), classes, setting.meanings, g)
        )
        return view(images, self._labels, own, self._generator)

    def _ask(self, state: StepState, seen: Tensor, step: int, now: Plan, active: list[str]) -> None:
        """Show the views to P, and to Q if need be, and put down what they say."""
        setting, options, prefix = self._setting, self._setting.options, state.prefix
        model = setting.model
        if now.coarse:
            assert setting.coarse is not None, "there is one whenever steps are coarse"
            model, seen = setting.coarse, halved(seen)
        if not any(name in NEEDS_MAPS for name in active):
            state.logits = setting.run(model, seen)
            return
        state.logits, maps, state.kept = setting.run_recorded(model, seen, now.thin)
        blocks = drawn(options.savings.blocks, len(maps), self._generator)
        state.blocks, state.depths = len(maps), blocks
        state.maps_p = [maps[block] for block in blocks]
        if options.savings.queries < 1:
            patches = maps[0].probs.shape[-1] - prefix
            rows = drawn(options.savings.queries, patches, self._generator)
            state.queries = torch.tensor(rows, device=seen.device)
        if any(name in NEEDS_Q for name in active):
            if self._q is None:
                self._q = self._quantized(state.images.detach()[~self.dead])
            maps_q = setting.maps(self._q, seen, blocks[-1] + 1, state.kept)
            state.maps_q = [maps_q[block] for block in blocks]
            full = [m for m in maps if m.probs.shape[-1] == maps[0].probs.shape[-1]]
            alpha = patch_attention(full, prefix, options.reading)  # [B,N]
            mask = informative_mask(alpha, self._ratio(step))  # [B,N]
            state.mask = random_drop(mask, options.drop, self._generator, options.reading)

    def _quantized(self, images: Tensor) -> Quantized:
        self._calibrated = images
        return self._setting.quantized(images)

    def _ratio(self, step: int) -> float:
        return ratio_at(step, self._setting.options.steps, *self._setting.options.mask_ratio)

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
