"""The optimisation of one batch: augment, run P (and Q), weight the terms, update the images.

Only the images learn. An image whose values, loss or gradient are not finite is excluded from then
on; a blank one goes through the models in its place, and the others are not affected.
"""

import math

import torch
from torch import Tensor

from maskaq.augment.views import AUGMENTATIONS
from maskaq.checkpoints import State
from maskaq.models.attention import Maps
from maskaq.regions.mask import informative_mask, patch_attention, random_drop, ratio_at
from maskaq.synthesis.context import QuantizedCopy, SynthesisContext
from maskaq.synthesis.parametrisation import Parametrisation
from maskaq.synthesis.shortcuts import StepPlan, halve_images, plan_step, random_subset
from maskaq.synthesis.terms.multi_semantic import View, sample_crops, sample_view
from maskaq.synthesis.terms.objectives import NEEDS_MAPS, NEEDS_Q, OBJECTIVES
from maskaq.synthesis.terms.step_state import RandomConstants, StepState

FINAL_RATE = 0.05  # share of the learning rate at the last step


class Batch:
    """A batch of images with their labels; `advance` does one step.

    failed: bool [B], the images that are excluded.
    """

    def __init__(
        self,
        context: SynthesisContext,
        parametrisation: Parametrisation,
        labels: Tensor,
        generator: torch.Generator,
    ) -> None:
        self.failed = torch.zeros(len(labels), dtype=torch.bool, device=context.device)
        self._context = context
        self._parametrisation = parametrisation
        self._labels = labels.to(context.device)
        self._generator = generator
        self._constants = RandomConstants(generator.initial_seed(), context.device)
        self._q: QuantizedCopy | None = None
        self._calibration: Tensor | None = None  # the images that Q was made from
        self._adam = torch.optim.Adam(parametrisation.parameters(), lr=context.options.lr)

    def images(self) -> Tensor:
        """The current images, normalised [B,3,S,S]; marks those that are not finite as failed."""
        images = self._parametrisation.images()
        self.failed = self.failed | ~_finite(images.detach())
        return self._zero_failed(images)

    def state(self) -> dict[str, Tensor]:
        """What the parametrisation needs to resume, beside the images."""
        return self._parametrisation.state()

    def checkpoint(self, over: bool) -> State:
        """Everything that decides the next step; if there is none (`over`), the images alone."""
        parameters = [parameter.detach() for parameter in self._parametrisation.parameters()]
        state: State = {"parameters": parameters, "failed": self.failed}
        if not over:
            state |= {"generator": self._generator.get_state(), "adam": self._adam.state_dict()}
            state |= {"calibration": self._calibration}
        return state

    @torch.no_grad()
    def restore(self, state: State) -> None:
        """Return to a checkpoint of the same batch."""
        parameters = self._parametrisation.parameters()
        for parameter, value in zip(parameters, state["parameters"], strict=True):
            parameter.copy_(value)
        self.failed = state["failed"].to(self._context.device)
        if "generator" not in state:
            return
        self._generator.set_state(state["generator"])
        self._adam.load_state_dict(state["adam"])
        if state["calibration"] is not None:
            self._make_q(state["calibration"].to(self._context.device))

    def advance(self, step: int) -> dict[str, float]:
        """Do one step, counted from 0; returns the metrics, means over the remaining images."""
        images = self.images()
        terms = self._terms(images, step)
        each = torch.zeros(len(images), device=images.device)
        for name, value in terms.items():
            each = each + self._context.coefficients[name] * value  # [B]; [] goes to every image
        self.failed = self.failed | ~each.detach().isfinite()
        self._update(torch.where(self.failed, 0.0, each).mean(), step)
        alive = ~self.failed
        if not alive.any():
            return {}
        values = {**terms, "loss": each}
        means = torch.stack(
            [value.detach().expand_as(each)[alive].mean() for value in values.values()]
        )
        metrics = dict(zip(values, means.tolist(), strict=True))
        if "align" in terms:
            metrics["mask_ratio"] = self._ratio(step)
        return metrics

    def _terms(self, images: Tensor, step: int) -> dict[str, Tensor]:
        """Value of each term that is active in this step, [B] or []."""
        context, options = self._context, self._context.options
        plan = plan_step(options, step)
        active = [name for name in context.coefficients if name not in NEEDS_Q or plan.align]
        view, augment = self._view(images), AUGMENTATIONS[options.augmentation]
        with context.cast():
            augmented = augment(view.images, step, options.steps, self._generator)
        state = StepState(
            images=images,
            labels=context.task.target_in_view(view.labels, augmented.cut),
            task=context.task,
            prefix=context.loaded.prefix,
            reading=options.reading,
            generator=self._generator,
            product_dtype=getattr(torch, context.precision),
            uncropped=view.uncropped,
            grid=context.grid(plan.coarse),
            pixel_std=float(context.loaded.std.mean()),
            constants=self._constants,
        )
        self._run_models(state, augmented.images, step, plan, active)
        terms = {name: OBJECTIVES[name](state) for name in active}
        for name in NEEDS_Q:
            if name in terms:  # it also counts for the steps without it
                terms[name] = options.savings.align_every * terms[name]
        return terms

    def _view(self, images: Tensor) -> View:
        """What P is shown of the images [B,3,S,S] in this step, and its labels."""
        most, classes = self._context.max_crops, len(self._context.loaded.class_names)
        if not most:
            return View(images, self._labels)
        crops = self._constants(  # the name is part of the seed
            "meanings", lambda generator: sample_crops(len(images), classes, most, generator)
        )
        return sample_view(images, self._labels, crops, self._generator)

    def _run_models(
        self, state: StepState, images: Tensor, step: int, plan: StepPlan, active: list[str]
    ) -> None:
        """Run P, and Q if needed, on the augmented images and store the results in `state`."""
        context, options = self._context, self._context.options
        model = context.model
        if plan.coarse:
            assert context.coarse is not None, "made whenever the options have coarse steps"
            model, images = context.coarse, halve_images(images)
        if not any(name in NEEDS_MAPS for name in active):
            state.logits = context.run(model, images)
            return
        state.logits, maps, state.kept = context.run_recorded(model, images, plan.drop_patches)
        blocks = random_subset(options.savings.blocks, len(maps), self._generator)
        state.blocks, state.depths = len(maps), blocks
        state.maps_p = [maps[block] for block in blocks]
        if options.savings.queries < 1:
            patches = maps[0].probs.shape[-1] - state.prefix
            rows = random_subset(options.savings.queries, patches, self._generator)
            state.queries = torch.tensor(rows, device=images.device)
        if any(name in NEEDS_Q for name in active):
            self._run_q(state, images, maps, step)

    def _run_q(self, state: StepState, images: Tensor, maps_p: list[Maps], step: int) -> None:
        """Run Q on the images and store its maps and the mask, from all of P's maps."""
        q = self._q or self._make_q(state.images.detach()[~self.failed])
        assert state.depths is not None, "set with P's maps"
        maps_q = self._context.maps(q, images, state.depths[-1] + 1, state.kept)
        state.maps_q = [maps_q[block] for block in state.depths]
        full = [m for m in maps_p if m.windows or m.probs.shape[-1] == maps_p[0].probs.shape[-1]]
        alpha = patch_attention(full, state.prefix, state.reading)  # [B,N]
        mask = informative_mask(alpha, self._ratio(step))  # [B,N]
        drop = self._context.options.drop
        state.mask = random_drop(mask, drop, self._generator, state.reading)

    def _make_q(self, images: Tensor) -> QuantizedCopy:
        self._calibration = images
        self._q = self._context.quantized(images)
        return self._q

    def _ratio(self, step: int) -> float:
        return ratio_at(step, self._context.options.steps, *self._context.options.mask_ratio)

    def _zero_failed(self, values: Tensor) -> Tensor:
        """The same [B,3,..], with zeros for the images that failed."""
        if not self.failed.any():
            return values
        return torch.where(self.failed[:, None, None, None], 0.0, values)

    def _update(self, loss: Tensor, step: int) -> None:
        """Do a step of Adam; the rate falls along a cosine to 5 %."""
        if not loss.requires_grad:  # no term is active yet
            return
        parameters = self._parametrisation.parameters()
        gradients = torch.autograd.grad(loss, parameters)
        for gradient in gradients:
            self.failed = self.failed | ~_finite(gradient)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = self._zero_failed(gradient)
        cosine = (1 + math.cos(math.pi * step / self._context.options.steps)) / 2
        rate = self._context.options.lr * (FINAL_RATE + (1 - FINAL_RATE) * cosine)
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        self._parametrisation.clamp()


def _finite(values: Tensor) -> Tensor:
    """Which images have only finite values: [B,..] -> bool [B].

    A value that is not finite makes the sum not finite; checking each one takes ten times as long.
    """
    return values.flatten(1).sum(1).isfinite()
