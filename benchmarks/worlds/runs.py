"""The runs behind the first page: three sources of images at six number formats, for each world.

    python -m benchmarks.worlds.runs photographs --weights FILE --data FOLDER
    python -m benchmarks.worlds.runs scenes

Every run is stored under --out and not done again, so a stopped command resumes. The images of a
source are made once and shared by all number formats: `maskaq` aligns its images with the Q of
W4A4. The first batch is stored as it forms.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from maskaq import checkpoints
from maskaq.config import RunSpec
from maskaq.config.options import Savings
from maskaq.config.overrides import with_settings
from maskaq.config.parsing import parse_bits, parse_every
from maskaq.config.presets import spec_of
from maskaq.events import Event
from maskaq.precomputed import accuracy_table
from maskaq.precomputed.worlds import BITS, MODELS, SOURCES
from maskaq.results import store
from maskaq.runs import checkpointing
from maskaq.runs.cache import context_of
from maskaq.runs.context import RunContext
from maskaq.runs.execute import execute
from maskaq.runs.runner import synthesize
from maskaq.synthesis.loop import Samples

IMAGES = 64
SCENES = 2_000  # of the evaluation split; of a folder, all photographs but the held-out ones
DRAWN_AT = "W4A4"
OUT = Path("runs/worlds")
# For ViT-Tiny as good as none in half the time (`benchmarks/README.md`, savings.py).
LIGHT = Savings(align_every=8, blocks=0.5, queries=0.5, patches=0.5, patches_from=0.2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", choices=list(MODELS))
    parser.add_argument("--weights", default="", help="ImageNet-1k weights of ViT-Tiny")
    parser.add_argument("--data", default="", help="folder of labelled photographs")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--source", nargs="+", choices=SOURCES, default=list(SOURCES))
    parser.add_argument("--bits", nargs="+", choices=BITS, default=list(BITS))
    args = parser.parse_args()
    for bits in args.bits:
        for source in args.source:
            run_once(spec(args.world, source, bits, args.weights, args.data), args.out / args.world)


def spec(world: str, source: str, bits: str, weights: str = "", data: str = "") -> RunSpec:
    """One run of method `maskaq`, with the settings of the shipped table of accuracies."""
    base = with_settings(spec_of("maskaq", parse_bits(bits)), accuracy_table.SETTINGS)
    savings = LIGHT if world == "photographs" else base.synthesis.savings
    synthesis = replace(base.synthesis, source=source, images=IMAGES, savings=savings)
    holdout = IMAGES if data else 0
    return replace(
        base,
        model=MODELS[world],
        weights=weights,
        data=data,
        holdout=holdout,
        eval_images=0 if data else SCENES,
        synthesis=synthesis,
    )


def folder(out: Path, source: str, bits: str) -> Path:
    """Where a run is stored."""
    return out / f"{source}_{bits}"


def frames_file(out: Path, source: str) -> Path:
    """Where the first batch of a source is stored as it forms."""
    return out / f"frames_{source}.pt"


def samples_file(out: Path, source: str) -> Path:
    """Where the images of a source are stored."""
    return out / f"samples_{source}.pt"


def run_once(spec: RunSpec, out: Path) -> None:
    """Do a run and store it, unless it is stored already."""
    target = folder(out, spec.synthesis.source, spec.quantization.name)
    if target.is_dir() and store.read(target).result.spec == spec:
        return
    print(target.name, flush=True)
    context = context_of(spec)
    weight_bits, activation_bits = parse_bits(DRAWN_AT)
    formats = replace(spec.quantization, weight_bits=weight_bits, activation_bits=activation_bits)
    samples = made_once(replace(spec, quantization=formats), context, out)
    states = checkpointing.checkpoints(spec, target, parse_every("30s"))
    store.save(execute(spec, samples=samples, context=context, checkpoints=states), target)
    states.clear()


def made_once(spec: RunSpec, context: RunContext, out: Path) -> Samples:
    """The images of a source, made and stored on first use."""
    path = samples_file(out, spec.synthesis.source)
    if not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        frames: list[tuple[int, Tensor]] = []
        for item in events(spec, context, path):
            if isinstance(item, Samples):
                checkpoints.write(path, {"samples": vars(item)})
            elif item.images is not None and item.step <= spec.synthesis.steps:
                frames.append((item.step, item.images))  # of the first batch
        if frames:
            steps, images = zip(*frames, strict=True)
            state = {"steps": list(steps), "images": torch.stack(images)}  # [F,16,3,S,S]
            checkpoints.write(frames_file(out, spec.synthesis.source), state)
    return Samples(**checkpoints.read(path)["samples"])


def events(spec: RunSpec, context: RunContext, path: Path) -> Iterator[Event | Samples]:
    """A synthesis with a progress bar and with checkpoints."""
    states = checkpointing.checkpoints(spec, path, parse_every("30s"))
    with tqdm(desc=f"images of {spec.synthesis.source}", mininterval=1) as bar:
        for item in synthesize(spec, context, checkpoints=states):
            if isinstance(item, Event):
                bar.total = item.total
                bar.update(item.step - bar.n)
            yield item
    states.clear()


if __name__ == "__main__":
    main()
