"""Train a bundled model on scenes of 60 000 garments: `python -m maskaq.models.train`.

A small CNN is trained first and used as the teacher (soft distillation, Hinton et al. 2015): on a
small budget a Vision Transformer learns clutter and position much faster from a teacher that has
both built in. `--guide scenes_vit` takes that model as the teacher instead. Both follow one
curriculum in the first half of their steps, from large garments on plain ground to full scenes; the
student is then refined at full difficulty. Every batch is a function of its step, so an interrupted
training resumes from its last checkpoint with the same result.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from maskaq import checkpoints
from maskaq.data import fashion_mnist
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import SPLITS, Scenes, compose, keys, scenes
from maskaq.errors import MaskaqError
from maskaq.files import sha256
from maskaq.intervals import Interval, as_percent, wilson
from maskaq.models import bundled
from maskaq.models.muon import Muon

# Fields that are options.
_COUNTS = ("steps", "teacher_steps", "refine_steps", "batch", "refine_batch", "seed")
_NAMES = {
    "guide": ("cnn", *bundled.MODELS),
    "precision": ("bfloat16", "float32"),
    "optimiser": ("adamw", "muon"),
}
_OPTIONS = (*_COUNTS, "refine_lr", *_NAMES)


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


def normalise(images: Tensor) -> Tensor:
    """Convert uint8 images to the input of the bundled model: mean and std 0.5."""
    return images.float().div_(127.5).sub_(1.0)


def fit(
    model: nn.Module,
    recipe: Recipe,
    total: int,
    garments: tuple[Tensor, Tensor],
    checkpoint: Path,
    guide: nn.Module | None = None,
    seen: int = 0,
) -> None:
    """Train in place, with a checkpoint every 60 s; resumes from `checkpoint` if it exists.

    Args:
        total: number of steps.
        garments: images uint8 [N,28,28] and labels int64 [N].
        guide: teacher to distil from.
        seen: steps of an earlier training; its sequence of scenes continues at full difficulty.
    """
    optimisers = _optimisers(model, recipe)
    first = 0
    if checkpoint.exists():
        state = checkpoints.read(checkpoint)
        model.load_state_dict(state["model"])
        for optimiser, values in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(values)
        first = state["step"]
    saved = time.monotonic()
    bar = tqdm(range(first, total), initial=first, total=total, desc=checkpoint.stem, mininterval=5)
    model.train()
    for step in bar:
        rate = min(1.0, (step + 1) / recipe.warmup) * 0.5 * (1 + math.cos(math.pi * step / total))
        for group in (group for optimiser in optimisers for group in optimiser.param_groups):
            group["lr"] = group["initial_lr"] * rate
        batch = batch_at(seen + step, recipe, seen or total, *garments)
        loss, accuracy = _loss(model, batch, recipe, guide)
        model.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimiser in optimisers:
            optimiser.step()
        if step % 20 == 0:
            bar.set_postfix(loss=f"{loss.item():.3f}", train=f"{accuracy.item():.2f}")
        if time.monotonic() - saved > 60 or step + 1 == total:
            states = [optimiser.state_dict() for optimiser in optimisers]
            weights = {"model": model.state_dict(), "optimisers": states}
            checkpoints.write(checkpoint, weights | {"step": step + 1})
            saved = time.monotonic()
    model.eval()


def _optimisers(model: nn.Module, recipe: Recipe) -> list[torch.optim.Optimizer]:
    """AdamW with weight decay on matrices only, or Muon for the matrices and AdamW for the rest."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    if recipe.optimiser == "adamw":
        return [_adamw([p for _, p in named], recipe.lr, recipe.weight_decay)]
    # Muon is made for hidden layers: not for the classifier and for tables of positions.
    hidden = [
        p for name, p in named if p.ndim == 2 and not name.startswith("head") and "bias" not in name
    ]
    rest = [p for _, p in named if not any(p is one for one in hidden)]
    muon = Muon(hidden, recipe.lr, recipe.weight_decay)
    return [muon, _adamw(rest, recipe.lr / 5, recipe.weight_decay)]


def _adamw(parameters: list[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.AdamW:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group | {"initial_lr": lr} for group in groups], lr=lr, fused=True)


def _loss(
    model: nn.Module, batch: Scenes, recipe: Recipe, guide: nn.Module | None
) -> tuple[Tensor, Tensor]:
    """Loss of a batch, with the distillation term if there is a teacher, and its accuracy."""
    images = normalise(batch.images)
    with _autocast(recipe):
        logits = model(images).float()
    loss = F.cross_entropy(logits, batch.labels, label_smoothing=recipe.smoothing)
    if guide is not None:
        with torch.no_grad(), _autocast(recipe):
            target = guide(images).float() / recipe.temperature
        soft = F.kl_div(
            F.log_softmax(logits / recipe.temperature, 1),
            F.log_softmax(target, 1),
            log_target=True,
            reduction="batchmean",
        )
        loss = torch.lerp(loss, soft * recipe.temperature**2, recipe.teacher_weight)
    return loss, (logits.argmax(1) == batch.labels).float().mean()


def _autocast(recipe: Recipe) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16")


@torch.no_grad()
def evaluate(model: nn.Module) -> Interval:
    """Top-1 in float32 on all evaluation scenes, seed 0."""
    hits, pool = 0, len(SPLITS["evaluation"])
    for start in range(0, pool, 250):
        batch = scenes("evaluation", range(start, start + 250))
        hits += int((model(normalise(batch.images)).argmax(1) == batch.labels).sum())
    return wilson(hits, pool)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m maskaq.models.train", description=__doc__)
    parser.add_argument(
        "--model", choices=[*bundled.MODELS], default="scenes_vit", help="(default: %(default)s)"
    )
    parser.add_argument("--fashion-mnist", type=Path, help="folder with the four IDX files")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/train"), help="folder of checkpoints"
    )
    parser.add_argument("--out", type=Path, default=bundled.FOLDER, help="folder of the result")
    for name in _COUNTS:
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, default=getattr(Recipe, name))
    parser.add_argument("--refine-lr", type=float, default=Recipe.refine_lr)
    for name, values in _NAMES.items():
        parser.add_argument(f"--{name}", choices=values, default=getattr(Recipe, name))
    args = parser.parse_args(arguments)
    recipe = Recipe(**{name: getattr(args, name) for name in _OPTIONS})
    model = bundled.MODELS[args.model]
    timm.layers.set_fused_attn(False)  # on a CPU the fused backward pass takes twice as long
    torch.manual_seed(recipe.seed)
    args.work.mkdir(parents=True, exist_ok=True)
    garments = fashion_mnist.garments("train", args.fashion_mnist)

    fast = replace(recipe, optimiser="adamw")
    guide = _guide(fast, garments, args.work)
    guide_top1 = evaluate(guide)
    print(f"teacher: top-1 {as_percent(guide_top1)} evaluation scenes", flush=True)
    torch.manual_seed(recipe.seed)
    student = model.architecture()
    gentle = replace(recipe, lr=recipe.refine_lr, batch=recipe.refine_batch)
    refined = args.work / f"{model.name}_refined.pt"
    torch.set_flush_denormal(True)  # with subnormal gradients a step takes many times as long
    try:
        fit(student, fast, recipe.steps, garments, args.work / f"{model.name}.pt", guide)
        fit(student, gentle, recipe.refine_steps, garments, refined, guide, seen=recipe.steps)
    finally:
        torch.set_flush_denormal(False)
    top1 = evaluate(student)
    print(f"{model.name}: top-1 {as_percent(top1)} evaluation scenes", flush=True)

    args.out.mkdir(parents=True, exist_ok=True)
    weights = args.out / model.checkpoint.name
    save_file(student.state_dict(), weights)
    weights.chmod(0o644)  # some versions of safetensors keep it from others
    card = _card(model, recipe, guide_top1, top1, weights)
    (args.out / model.card.name).write_text(json.dumps(card, indent=2) + "\n")


def _guide(recipe: Recipe, garments: tuple[Tensor, Tensor], work: Path) -> nn.Module:
    """The teacher: a bundled model, or the CNN, which is trained first."""
    if recipe.guide == "cnn":
        cnn = teacher().to(memory_format=torch.channels_last)
        fit(cnn, recipe, recipe.teacher_steps, garments, work / "teacher.pt")
        return cnn
    own = bundled.MODELS[recipe.guide]
    guide = own.architecture()
    guide.load_state_dict(load_file(own.checkpoint))
    return guide.eval()


def _card(
    model: bundled.Bundled, recipe: Recipe, guide_top1: Interval, top1: Interval, weights: Path
) -> dict[str, object]:
    """The model card: what the weights are and how to make them again."""
    options = (f"--{name.replace('_', '-')} {getattr(recipe, name)}" for name in _OPTIONS)
    return {
        "model": model.name,
        "architecture": model.summary,
        "licence": "Apache-2.0",
        "command": " ".join((f"python -m maskaq.models.train --model {model.name}", *options)),
        "data": "scenes composed from the 60 000 training garments of Fashion-MNIST (MIT licence)",
        "recipe": asdict(recipe),
        "teacher_top1": guide_top1._asdict(),
        "top1": top1._asdict(),
        "evaluated_on": "5 000 evaluation scenes, seed 0, float32",
        "sha256": sha256(weights),
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }


if __name__ == "__main__":
    try:
        main()
    except MaskaqError as error:
        sys.exit(f"error: {error}")
