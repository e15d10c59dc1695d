"""Milliseconds per image and synthesis step, compared with the two models alone.

    python -m benchmarks.synthesis_speed --weights vit_tiny_patch16_224.safetensors
    python -m benchmarks.synthesis_speed --device cuda --batch 128 --precision bfloat16 \\
        --random deit_tiny_patch16_224 deit_small_patch16_224

Everything is timed in one process, in turns, so that a slow minute of the machine affects all
values alike; medians are printed. The floor is one forward pass and one backward pass to the images
through P and through Q, and nothing else, in the same precision. The share of a term is the time
that a step gains without it. Memory is the peak of a process that only does two steps, on a GPU
that of its allocator. `--random` uses models with random weights, which suffice for speed; on a GPU
the time of the paper's schedule, 10 000 images and 2 000 steps, is extrapolated.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmarks.savings import SAVINGS
from maskaq.config import Savings, SynthesisOptions
from maskaq.config.presets import spec_of
from maskaq.models import bundled
from maskaq.models.loading import LoadedModel, load_model
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.conversion.freeze import freeze_weights
from maskaq.runs import environment
from maskaq.synthesis.batch import Batch
from maskaq.synthesis.context import SynthesisContext, private_copy
from maskaq.synthesis.loop import sample_targets
from maskaq.synthesis.parametrisation import PARAMETRISATIONS

METHOD = spec_of("maskaq")
EXACT = replace(METHOD.synthesis, savings=Savings())
VIT = "vit_tiny_patch16_224"
HEAD = "| model | batch | precision | options | step | floor (P + Q) | ratio | peak memory |"
SPREAD = 20  # steps, spread over a synthesis, whose mean is reported where steps differ
TERMS = tuple(n for n, v in asdict(METHOD.synthesis.coefficients).items() if v)


def main() -> None:
    args = _arguments()
    environment.keep_freed_memory()
    if args.memory:
        print(peak_memory(*args.memory, weights=args.weights, device=args.device))
        return
    names = args.random or [*bundled.MODELS] + [VIT] * bool(args.weights)
    rows = []
    if not args.json:
        print(HEAD + "\n" + "|---" * 8 + "|", flush=True)
    for name in names:
        loaded = load(name, args.weights)
        for batch in args.batch:
            for precision in args.precision:
                for kind in args.savings:
                    how = batch, precision, args.device
                    row = measure(loaded, name, how, SAVINGS[kind], args.repeats)
                    row["peak_memory_mb"] = _in_a_child(name, how, args.weights)
                    if args.device != "cpu":
                        row["paper_hours"] = round(row["step_ms"] * 10_000 * 2_000 / 3.6e6, 1)
                    rows.append(row)
                    if not args.json:
                        print(_line(row), flush=True)
    if args.json:
        print(json.dumps(rows))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="", help=f"file with the weights of {VIT}")
    parser.add_argument("--batch", nargs="+", type=int, default=[16, 32])
    parser.add_argument("--precision", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--savings", nargs="+", default=["none"], choices=SAVINGS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--random", nargs="+", metavar="NAME", help="timm names")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    return parser.parse_args()


def load(name: str, weights: str) -> LoadedModel:
    """P; random weights without a file, except for bundled models."""
    if name in bundled.MODELS:
        return load_model(name)
    if weights:
        return load_model(name, weights)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        save_file(timm.create_model(name).state_dict(), path)
        return load_model(name, str(path))


How = tuple[int, str, str]  # batch, precision, device


def measure(
    loaded: LoadedModel, name: str, how: How, savings: Savings, repeats: int
) -> dict[str, Any]:
    """One row: medians in milliseconds per image."""
    batch, precision, device = how
    usual = METHOD.synthesis.coefficients
    changed = {"step": usual} | {term: replace(usual, **{term: 0.0}) for term in TERMS}
    exact = savings == Savings()
    calls: dict[str, Callable[[], object]] = {
        kind: stepper(loaded, how, replace(EXACT, coefficients=values))
        for kind, values in (changed.items() if exact else ())
    }
    if not exact:
        options = replace(METHOD.synthesis, savings=savings)
        calls = {"step": stepper(loaded, how, options, range(SPREAD))}
    calls |= floors(loaded, how)
    seconds: dict[str, list[float]] = {kind: [] for kind in calls}
    for turn in range(repeats + 1):  # the first one warms up
        for kind, call in calls.items():
            began = time.perf_counter()
            call()
            if device != "cpu":
                torch.cuda.synchronize()
            if turn:
                seconds[kind].append(time.perf_counter() - began)
    if not exact:
        seconds["step"] = [taken / SPREAD for taken in seconds["step"]]
    each = {kind: 1000 * statistics.median(taken) / batch for kind, taken in seconds.items()}
    floor = each["P"] + each["Q"]
    return {
        "model": name,
        "batch": batch,
        "precision": precision,
        "device": environment.describe(device, precision),
        "options": {k: v for k, v in asdict(savings).items() if v != getattr(Savings(), k)},
        "step_ms": round(each["step"], 2),
        "floor_ms": round(floor, 2),
        "ratio": round(each["step"] / floor, 2),
        "p_ms": round(each["P"], 2),
        "q_ms": round(each["Q"], 2),
        "shares_ms": {term: round(each["step"] - each[term], 2) for term in TERMS if exact},
    }


def stepper(
    loaded: LoadedModel,
    how: How,
    options: SynthesisOptions,
    parts: Sequence[int] = (),
) -> Callable[[], object]:
    """A call that does one step in the middle of a synthesis, or one step in each of its parts."""
    batch, precision, device = how
    options = replace(options, images=batch, batch=batch)
    setting = SynthesisContext.of(
        loaded, options, precision, device, lambda images: quantized(loaded, images)
    )
    generator = torch.Generator(device).manual_seed(0)
    source = PARAMETRISATIONS[options.parametrisation](loaded, batch, generator)
    labels = sample_targets(loaded, batch, 0)
    under_way = Batch(setting, source, labels, generator)
    steps = [(2 * part + 1) * options.steps // (2 * len(parts)) for part in parts]

    def step() -> None:
        for number in steps or [options.steps // 2]:
            under_way.advance(number)

    return step


def quantized(loaded: LoadedModel, images: Tensor) -> nn.Module:
    """Q as in a run during synthesis."""
    scheme = BACKENDS[METHOD.fit.backend].scheme
    p = loaded.model.to(images.device)
    return freeze_weights(calibrated_q(p, METHOD.quantization, scheme, images))


def floors(loaded: LoadedModel, how: How) -> dict[str, Callable[[], object]]:
    """Forward and backward passes to the images through P and Q alone."""
    batch, precision, device = how
    shape = (batch, *loaded.data_config["input_size"])
    images = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)

    def through(model: nn.Module) -> Callable[[], object]:
        inputs = images.clone().requires_grad_()

        def once() -> object:
            half = precision == "bfloat16"
            with torch.autocast(images.device.type, torch.bfloat16, enabled=half):
                outputs = model(inputs)
            return torch.autograd.grad(outputs.float().square().mean(), inputs)

        return once

    models = {"P": loaded.model, "Q": quantized(loaded, images)}
    return {
        name: through(private_copy(one, images.device, precision)) for name, one in models.items()
    }


def peak_memory(name: str, batch: str, precision: str, weights: str, device: str) -> float:
    """Peak memory of this process after two steps, in MB."""
    step = stepper(load(name, weights), (int(batch), precision, device), EXACT)
    for _ in range(2):
        step()
    if device == "cpu":
        return environment.peak_memory_mb()
    return round(torch.cuda.max_memory_allocated() / 1e6, 1)


def _in_a_child(name: str, how: How, weights: str) -> float:
    command = [sys.executable, "-m", "benchmarks.synthesis_speed", "--weights", weights]
    command += ["--device", how[2], "--memory", name, str(how[0]), how[1]]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def _line(row: dict[str, Any]) -> str:
    shares = ", ".join(f"{term} {ms:.1f}" for term, ms in row["shares_ms"].items())
    cells = [
        row["model"],
        str(row["batch"]),
        row["precision"],
        ", ".join(f"{name} {value}" for name, value in row["options"].items()) or "exact",
        f"{row['step_ms']:.1f} ms ({shares})",
        f"{row['floor_ms']:.1f} ms ({row['p_ms']:.1f} + {row['q_ms']:.1f})",
        f"{row['ratio']:.2f}",
        f"{row['peak_memory_mb']:.0f} MB",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
