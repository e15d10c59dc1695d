"""Training of the bundled models for segmentation and detection.

    python -m maskaq.models.train --task segmentation

Both start from `scenes_vit` and are trained whole, on `group_scenes` of the 60 000 training
garments, in two stages. In the first one a single body has both heads: each task teaches the body
what helps the other, and the second training finds the checkpoint of the first. Its learning rate
rises and falls twice, because the loss was still falling after the first time. In the second stage
each model is trained on its own task: segmentation for longer, and with a loss close to its metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision.ops import generalized_box_iou_loss

from maskaq.config import components
from maskaq.data.drawing import SIZE, keys
from maskaq.data.group_scenes import ABSENT, BACKGROUND, Garments, GroupScenes, compose_group
from maskaq.data.scene_sets import scene_set
from maskaq.data.scenes import SPLITS
from maskaq.intervals import Interval
from maskaq.models import bundled
from maskaq.models.dense import PatchModel, patch_centres
from maskaq.models.training.loop import Schedule, StepLoss, autocast, fit, normalise
from maskaq.tasks import TASKS
from maskaq.tasks.detection import BOX_WEIGHT, OVERLAP_WEIGHT

_NEAR = 0.19  # of the image's side: patches this near to the centre of a box propose it
_EVALUATED = 250  # scenes at a time

Losses = Mapping[str, Tensor]
Entries = dict[str, Interval]


@dataclass(frozen=True)
class DenseRecipe:
    """Everything that determines the trained weights, except the garments.

    steps: of the first stage until its learning rate is 0. restart_steps: of the first stage after
    that, with a learning rate that rises and falls again. refine_steps, refine_lr: of the second
    stage.
    """

    steps: int = 5000
    restart_steps: int = 6500
    refine_steps: int = 1500
    refine_lr: float = 2e-3
    batch: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.05
    warmup: int = 200
    seed: int = 0
    precision: str = "bfloat16"
    optimiser: str = "muon"

    def schedule(self, steps: int, lr: float) -> Schedule:
        """The schedule of a stage."""
        return Schedule(steps, lr, self.warmup, self.weight_decay, self.optimiser)


@dataclass(frozen=True)
class SegmentationRecipe(DenseRecipe):
    """A longer second stage: after a short one the mIoU was still rising."""

    refine_steps: int = 9000
    refine_lr: float = 3e-3


LossesOf = Callable[[Tensor, GroupScenes], Losses]


class _Head(NamedTuple):
    """What a task is trained with.

    losses: of the model's output, [] each. own_losses: those of the second stage.
    """

    model: bundled.Bundled
    losses: LossesOf
    own_losses: LossesOf


def pixel_losses(logits: Tensor, batch: GroupScenes) -> Losses:
    """Cross-entropy of all pixels of logits [B,K,S,S]."""
    return {"pixels": F.cross_entropy(logits.float(), batch.classes)}


def region_losses(logits: Tensor, batch: GroupScenes) -> Losses:
    """Cross-entropy of all pixels of logits [B,K,S,S], and 1 minus the soft IoU of true and
    predicted regions.

    Each pixel counts with its probabilities (the soft Jaccard index of Rahman and Wang, 2016). The
    IoU is that of the whole batch, for each class in it, as mIoU is that of all scenes.
    """
    found = logits.float().softmax(1)  # [B,K,S,S]
    true, right = batch.classes.flatten(), found.gather(1, batch.classes[:, None]).flatten()  # [P]
    shared = torch.zeros(found.shape[1]).index_add(0, true, right)  # [K], of P = B*S*S pixels
    present = true.bincount(minlength=found.shape[1])  # [K]
    union = found.sum((0, 2, 3)) + present - shared  # [K]
    seen = present > 0  # a class without a pixel may have a union of 0
    overlap = shared[seen] / union[seen]  # [classes in the batch]
    return {**pixel_losses(logits, batch), "regions": 1 - overlap.mean()}


def proposal_losses(proposals: Tensor, batch: GroupScenes) -> Losses:
    """Cross-entropy of all proposals [B,N,K+5], and the errors of the boxes of those near one."""
    classes, targets = assigned(batch, proposals.shape[1])  # [B,N], [B,N,4]
    logits, boxes = proposals.float().split([BACKGROUND + 1, 4], -1)
    near = classes != BACKGROUND
    overlap = generalized_box_iou_loss(boxes[near], targets[near], reduction="mean")
    return {
        "classes": F.cross_entropy(logits.flatten(0, 1), classes.flatten()),
        "boxes": BOX_WEIGHT * (boxes[near] - targets[near]).abs().mean(),
        "overlap": OVERLAP_WEIGHT * overlap,
    }


def assigned(batch: GroupScenes, patches: int) -> tuple[Tensor, Tensor]:
    """What each patch of a square grid should propose: its class [B,N], and its box [B,N,4].

    That is the box whose centre is nearest, among those that are near the patch's centre and
    contain it. Boxes are in shares of the image's side.
    """
    side = round(patches**0.5)
    centres = patch_centres((side, side))[:, None]  # [N,1,2]
    boxes = batch.boxes[:, None] / SIZE  # [B,1,4,4]
    low, high = boxes[..., :2], boxes[..., 2:]  # [B,1,4,2] each
    distance = (centres - (low + high) / 2).abs().amax(-1)  # [B,N,4]
    inside = ((centres > low) & (centres < high)).all(-1)  # [B,N,4]
    possible = inside & (distance <= _NEAR) & (batch.labels != ABSENT)[:, None]
    nearest = distance.masked_fill(~possible, torch.inf).argmin(-1)  # [B,N]
    classes = batch.labels.gather(1, nearest)  # [B,N]
    found = (batch.boxes / SIZE).gather(1, nearest[..., None].expand(-1, -1, 4))  # [B,N,4]
    return classes.where(possible.any(-1), torch.tensor(BACKGROUND)), found


HEADS: Mapping[str, _Head] = {
    "segmentation": _Head(bundled.VIT_SEG, pixel_losses, region_losses),
    "detection": _Head(bundled.VIT_DET, proposal_losses, proposal_losses),
}


class _Joint(nn.Module):
    """One body with the heads of all tasks; the body is that of the first model."""

    def __init__(self, models: Mapping[str, PatchModel]) -> None:
        super().__init__()
        self._models = dict(models)  # hidden from `parameters`, because it is a plain dict
        self.body = next(iter(models.values()))
        self.heads = nn.ModuleDict({task: model.head for task, model in models.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        tokens = self.body.patch_tokens(x)
        return {
            task: self._models[task].assemble(head(tokens)) for task, head in self.heads.items()
        }


def batch_at(step: int, recipe: DenseRecipe, garments: Garments) -> GroupScenes:
    """The training scenes of one step, a pure function of step and seed."""
    positions = np.arange(step * recipe.batch, (step + 1) * recipe.batch)
    return compose_group(garments, keys("group train", positions, recipe.seed))


def train(
    model: bundled.Bundled, recipe: DenseRecipe, garments: Garments, work: Path
) -> tuple[nn.Module, Entries]:
    """The trained model, and its metrics on the evaluation scenes.

    garments: images uint8 [N,28,28] and classes int64 [N]. work: folder of checkpoints.
    """
    torch.manual_seed(recipe.seed)
    models: dict[str, Any] = {task: head.model.architecture() for task, head in HEADS.items()}
    joint, own = _Joint(models), models[model.task]
    joint.body.load_state_dict(_body(load_file(bundled.VIT.checkpoint)), strict=False)

    def alone(images: Tensor) -> dict[str, Tensor]:
        return {model.task: own(images)}

    def loss_of(
        answer: Callable[[Tensor], dict[str, Tensor]], terms: Mapping[str, LossesOf], first: int
    ) -> StepLoss:
        """The loss of what `answer` returns by task, on the scenes from step `first` on."""

        def loss(step: int) -> tuple[Tensor, Losses]:
            batch = batch_at(first + step, recipe, garments)
            with autocast(recipe.precision):
                outputs = answer(normalise(batch.images))
            losses: dict[str, Tensor] = {}
            for task, output in outputs.items():
                losses |= terms[task](output, batch)
            return torch.stack([*losses.values()]).sum(), losses

        return loss

    seen, shared = 0, {task: head.losses for task, head in HEADS.items()}
    for name, steps in (("dense", recipe.steps), ("dense_again", recipe.restart_steps)):
        loss = loss_of(joint, shared, seen)
        fit(joint, recipe.schedule(steps, recipe.lr), loss, work / f"{name}.pt")
        seen += steps
    own.load_state_dict(_body(joint.body.state_dict()), strict=False)
    schedule = recipe.schedule(recipe.refine_steps, recipe.refine_lr)
    loss = loss_of(alone, {model.task: HEADS[model.task].own_losses}, seen)
    fit(own, schedule, loss, work / f"{model.name}.pt")
    return own, evaluate(own, model.task)


@torch.no_grad()
def evaluate(model: nn.Module, task: str) -> Entries:
    """The metrics of the task in float32 on all evaluation scenes, seed 0."""
    judge = TASKS[task].judge(BACKGROUND + 1)
    for start in range(0, len(SPLITS["evaluation"]), _EVALUATED):
        images, truth = scene_set(task, "evaluation", range(start, start + _EVALUATED))
        output = model(normalise(images))
        judge.add(torch.stack([output, output]), truth)  # [2,B,..]
    found = judge.evaluation()
    return dict(zip(components.TASKS[task].metrics, (found.top1[0], found.top5[0]), strict=True))


def _body(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith("head.")}
