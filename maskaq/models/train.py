"""Train a bundled model: `python -m maskaq.models.train`.

Every batch is a function of its step, so an interrupted training resumes from its last checkpoint
with the same result.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from maskaq.data import fashion_mnist
from maskaq.errors import MaskaqError, OptionError
from maskaq.files import sha256
from maskaq.intervals import Interval, as_percent
from maskaq.models import bundled
from maskaq.models.training import classification, dense

_CHOICES = {
    "guide": ("cnn", *(one.name for one in bundled.of_task("classification"))),
    "precision": ("bfloat16", "float32"),
    "optimiser": ("adamw", "muon"),
}
_FIXED = ("lr", "weight_decay", "warmup", "teacher_weight", "temperature", "smoothing")


class _Training(NamedTuple):
    """How the models of a task are trained. recipe: the class of its options."""

    recipe: type[Any]
    train: Callable[
        [bundled.Bundled, Any, tuple[Tensor, Tensor], Path], tuple[nn.Module, dict[str, Interval]]
    ]


TRAININGS: Mapping[str, _Training] = {
    "classification": _Training(classification.Recipe, classification.train),
    "segmentation": _Training(dense.SegmentationRecipe, dense.train),
    "detection": _Training(dense.DenseRecipe, dense.train),
}


def main(arguments: list[str] | None = None) -> None:
    args = vars(_parser().parse_args(arguments))
    model, task = _model(args["model"], args["task"]), args["task"]
    recipe = _recipe(args, task)
    timm.layers.set_fused_attn(False)  # on a CPU the fused backward pass takes twice as long
    garments = fashion_mnist.garments("train", args["fashion_mnist"])
    args["work"].mkdir(parents=True, exist_ok=True)
    torch.set_flush_denormal(True)  # with subnormal gradients a step takes many times as long
    try:
        trained, entries = TRAININGS[task].train(model, recipe, garments, args["work"])
    finally:
        torch.set_flush_denormal(False)
    for name, interval in entries.items():
        print(f"{model.name}: {name} {as_percent(interval)} evaluation scenes", flush=True)

    args["out"].mkdir(parents=True, exist_ok=True)
    weights = args["out"] / model.checkpoint.name
    save_file(trained.state_dict(), weights)
    weights.chmod(0o644)  # some versions of safetensors keep it from others
    card = _card(model, recipe, entries, weights)
    (args["out"] / model.card.name).write_text(json.dumps(card, indent=2) + "\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m maskaq.models.train", description=__doc__)
    parser.add_argument(
        "--task", choices=[*TRAININGS], default="classification", help="(default: %(default)s)"
    )
    parser.add_argument("--model", choices=[*bundled.MODELS], help="(default: the task's first)")
    parser.add_argument("--fashion-mnist", type=Path, help="folder with the four IDX files")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/train"), help="folder of checkpoints"
    )
    parser.add_argument("--out", type=Path, default=bundled.FOLDER, help="folder of the result")
    for name, defaults in _options().items():
        shown = ", ".join(f"{value} for {task}" for task, value in defaults.items())
        parser.add_argument(
            "--" + name.replace("_", "-"),
            type=type(next(iter(defaults.values()))),
            choices=_CHOICES.get(name),
            help=f"(default: {shown})",
        )
    return parser


def _options() -> dict[str, dict[str, Any]]:
    """The default of each option, for each task that has it."""
    found: dict[str, dict[str, Any]] = {}
    for task, training in TRAININGS.items():
        for field in fields(training.recipe):
            if field.name not in _FIXED:
                found.setdefault(field.name, {})[task] = field.default
    return found


def _model(name: str | None, task: str) -> bundled.Bundled:
    possible = {one.name: one for one in bundled.of_task(task)}
    if name is None:
        return next(iter(possible.values()))
    if name not in possible:
        raise OptionError(f"{name} is not for {task}; allowed: {', '.join(possible)}.")
    return possible[name]


def _recipe(args: Mapping[str, Any], task: str) -> Any:
    given = {name: args[name] for name in _options() if args[name] is not None}
    for name in given:
        if task not in _options()[name]:
            others = " and ".join(_options()[name])
            raise OptionError(f"--{name.replace('_', '-')} is an option of {others}, not {task}.")
    return TRAININGS[task].recipe(**given)


def _card(
    model: bundled.Bundled, recipe: Any, entries: Mapping[str, Interval], weights: Path
) -> dict[str, object]:
    """The model card: what the weights are and how to make them again."""
    values = {name: value for name, value in asdict(recipe).items() if name not in _FIXED}
    options = (f"--{name.replace('_', '-')} {value}" for name, value in values.items())
    command = f"python -m maskaq.models.train --task {model.task} --model {model.name}"
    return {
        "model": model.name,
        "architecture": model.summary,
        "licence": "Apache-2.0",
        "command": " ".join((command, *options)),
        "data": "scenes composed from the 60 000 training garments of Fashion-MNIST (MIT licence)",
        "recipe": asdict(recipe),
        **{name: interval._asdict() for name, interval in entries.items()},
        "evaluated_on": "5 000 evaluation scenes, seed 0, float32",
        "sha256": sha256(weights),
        "versions": {"torch": version("torch"), "timm": version("timm")},
    }


if __name__ == "__main__":
    try:
        main()
    except MaskaqError as error:
        sys.exit(f"error: {error}")
