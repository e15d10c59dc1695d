"""Training of the bundled classifiers on scenes of 60 000 garments.

A small CNN is trained first and used as the teacher (soft distillation, Hinton et al. 2015): on a
small budget a Vision Transformer learns clutter and position much faster from a teacher that has
both built in. `--guide scenes_vit` takes that model as the teacher instead. Both follow one
curriculum in the first half of their steps, from large garments on plain ground to full scenes; the
student is then refined at full difficulty. Every batch is a function of its step, so an interrupted
training resumes from its last checkpoint with the same result.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import SPLITS, Scenes, compose, keys, scenes
from maskaq.intervals import Interval, as_percent, wilson
from maskaq.models import bundled
from maskaq.models.training.loop import Schedule, autocast, fit, normalise

Entries = dict[str, Interval]


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the trained weights, except the garments."""

    steps: int = 7500
    teacher_steps: int = 2200
    refine_steps: int = 4500  # a second cosine schedule at a lower rate, at full difficulty
    refine_lr: float = 6e-4
    batch: int = 128
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 300
    teacher_weight: float = 0.7  # share of the distillation term in the student's loss
    temperature: float = 2.0
    smoothing: float = 0.1
    seed: int = 0
    precision: str = "bfloat16"  # of the forward passes; slow on processors without it
    guide: str = "cnn"  # the teacher: a CNN trained first, or a bundled model
    optimiser: str = "adamw"  # of the refinement; "muon" needs fewer steps
    refine_batch: int = 128


def teacher() -> nn.Sequential:
    """A residual CNN of 0.7 M parameters, [B,3,64,64] -> [B,10]."""

    def unit(channels: int, out: int, stride: int) -> list[nn.Module]:
        return [
            nn.Conv2d(channels, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(inplace=True),
        ]

    def stage(channels: int, out: int) -> list[nn.Module]:
        return [*unit(channels, out, 2), _Residual(*unit(out, out, 1), *unit(out, out, 1))]

    return nn.Sequential(
        *stage(3, 32),  # [B,32,32,32]
        *stage(32, 64),  # [B,64,16,16]
        *stage(64, 128),  # [B,128,8,8]
        *unit(128, 192, 2),  # [B,192,4,4]
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),  # [B,192]
        nn.Linear(192, len(CLASS_NAMES)),
    )


class _Residual(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = super().forward(x)  # type: ignore[no-untyped-call]
        return x + out


def curriculum(progress: float) -> dict[str, object]:
    """Options of `compose` at this share of the training: full difficulty from half-way on."""
    hard = min(1.0, 2 * progress)
    return {"scale": (0.85 - 0.25 * hard, 1.0 - 0.1 * hard), "clutter": hard}


def batch_at(step: int, recipe: Recipe, total: int, images: Tensor, labels: Tensor) -> Scenes:
    """The training scenes of one step, a pure function of step and seed."""
    positions = np.arange(step * recipe.batch, (step + 1) * recipe.batch)
    random = keys("train", positions, recipe.seed)
    chosen = torch.from_numpy((random % np.uint64(len(images))).astype(np.int64))
    return compose(images[chosen], labels[chosen], random, **curriculum(step / total))  # type: ignore[arg-type]


def classify(
    model: nn.Module,
    recipe: Recipe,
    total: int,
    garments: tuple[Tensor, Tensor],
    checkpoint: Path,
    guide: nn.Module | None = None,
    seen: int = 0,
) -> None:
    """Train a classifier in place; see `loop.fit`.

    Args:
        total: number of steps.
        garments: images uint8 [N,28,28] and labels int64 [N].
        guide: teacher to distil from.
        seen: steps of an earlier training; its sequence of scenes continues at full difficulty.
    """
    schedule = Schedule(total, recipe.lr, recipe.warmup, recipe.weight_decay, recipe.optimiser)

    def loss(step: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch = batch_at(seen + step, recipe, seen or total, *garments)
        value, accuracy = _loss(model, batch, recipe, guide)
        return value, {"loss": value, "train": accuracy}

    fit(model, schedule, loss, checkpoint)


def _loss(
    model: nn.Module, batch: Scenes, recipe: Recipe, guide: nn.Module | None
) -> tuple[Tensor, Tensor]:
    """Loss of a batch, with the distillation term if there is a teacher, and its accuracy."""
    images = normalise(batch.images)
    with autocast(recipe.precision):
        logits = model(images).float()
    loss = F.cross_entropy(logits, batch.labels, label_smoothing=recipe.smoothing)
    if guide is not None:
        with torch.no_grad(), autocast(recipe.precision):
            target = guide(images).float() / recipe.temperature
        soft = F.kl_div(
            F.log_softmax(logits / recipe.temperature, 1),
            F.log_softmax(target, 1),
            log_target=True,
            reduction="batchmean",
        )
        loss = torch.lerp(loss, soft * recipe.temperature**2, recipe.teacher_weight)
    return loss, (logits.argmax(1) == batch.labels).float().mean()


@torch.no_grad()
def evaluate(model: nn.Module) -> Interval:
    """Top-1 in float32 on all evaluation scenes, seed 0."""
    hits, pool = 0, len(SPLITS["evaluation"])
    for start in range(0, pool, 250):
        batch = scenes("evaluation", range(start, start + 250))
        hits += int((model(normalise(batch.images)).argmax(1) == batch.labels).sum())
    return wilson(hits, pool)


def train(
    model: bundled.Bundled, recipe: Recipe, garments: tuple[Tensor, Tensor], work: Path
) -> tuple[nn.Module, Entries]:
    """The trained model, and what its card says about its teacher and its accuracy.

    garments: images uint8 [N,28,28] and labels int64 [N]. work: folder of checkpoints.
    """
    torch.manual_seed(recipe.seed)
    fast = replace(recipe, optimiser="adamw")
    guide = _guide(fast, garments, work)
    guide_top1 = evaluate(guide)
    print(f"teacher: top-1 {as_percent(guide_top1)} evaluation scenes", flush=True)
    torch.manual_seed(recipe.seed)
    student = model.architecture()
    gentle = replace(recipe, lr=recipe.refine_lr, batch=recipe.refine_batch)
    classify(student, fast, recipe.steps, garments, work / f"{model.name}.pt", guide)
    refined = work / f"{model.name}_refined.pt"
    classify(student, gentle, recipe.refine_steps, garments, refined, guide, seen=recipe.steps)
    return student, {"teacher_top1": guide_top1, "top1": evaluate(student)}


def _guide(recipe: Recipe, garments: tuple[Tensor, Tensor], work: Path) -> nn.Module:
    """The teacher: a bundled model, or the CNN, which is trained first."""
    if recipe.guide == "cnn":
        cnn = teacher().to(memory_format=torch.channels_last)
        classify(cnn, recipe, recipe.teacher_steps, garments, work / "teacher.pt")
        return cnn
    own = bundled.MODELS[recipe.guide]
    guide = own.architecture()
    guide.load_state_dict(load_file(own.checkpoint))
    return guide.eval()
