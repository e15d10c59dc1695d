"""How accurate Q becomes with ever more synthetic images, with and without MaskAQ's own terms.

    python -m benchmarks.image_steps --bits W3A3 --seed 0 1 2
    python -m benchmarks.image_steps --model vit_tiny_patch16_224 --weights FILE --data FOLDER \\
        --images 16 64 256 --bits W4A4 W3A3

For each seed and set of terms the largest number of images is synthesized once, and Q is fitted to
the first so many of them. `all` has every term of method `maskaq`; `class and smoothness` has only
the two that need no attention and no Q, whose steps cost less. --set changes any setting of all
runs. Samples and results are stored under --out, so a stopped table resumes; half-made samples
start again.
"""

import argparse
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.cells import Cells, with_arguments
from maskaq.config import RunSpec
from maskaq.config.overrides import with_settings
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.intervals import student
from maskaq.results.result import RunResult

TERMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "all": (),
        "class and smoothness": (
            "synthesis.coefficients.inter_head=0",
            "synthesis.coefficients.entropy=0",
            "synthesis.coefficients.align=0",
        ),
    }
)
HEAD = (
    "| bits | terms | images | image-steps | synthesis, s | fit, s | Q top-1, % | agreement, % "
    "| seeds | n |"
)

Results = Mapping[tuple[str, str, int], list[RunResult]]  # by bits, terms and images


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--bits", nargs="+", default=["W4A4", "W3A3"])
    parser.add_argument("--terms", nargs="+", choices=list(TERMS), default=list(TERMS))
    parser.add_argument("--images", nargs="+", type=int, default=[16, 64, 256, 1024])
    parser.add_argument("--seed", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--eval-images", type=int, default=0)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--out", type=Path, default=Path("runs/image_steps"))
    args = parser.parse_args(words)
    cells, results = Cells(args.out), defaultdict(list)
    for seed, terms, bits, count in itertools.product(
        args.seed, args.terms, args.bits, args.images
    ):
        most, own = (spec(args, terms, bits, seed, n) for n in (max(args.images), count))
        name = f"{args.model}_{bits}_{terms.replace(' ', '-')}_{count}_{seed}"
        results[bits, terms, count].append(cells.result(name, own, samples_of=most))
    print(HEAD + "\n" + "|---" * HEAD.count(" | ") + "|---|")
    print("\n".join(line(*key, runs) for key, runs in sorted(results.items())))


def spec(args: argparse.Namespace, terms: str, bits: str, seed: int, images: int) -> RunSpec:
    """A run of method `maskaq` with these terms on so many images."""
    base = with_settings(spec_of("maskaq", parse_bits(bits)), [*TERMS[terms], *args.settings])
    return with_arguments(base, args, seed, synthesis=replace(base.synthesis, images=images))


def line(bits: str, terms: str, images: int, runs: Sequence[RunResult]) -> str:
    """A row of the table: means over seeds, with Student's 95 % interval of the accuracy."""
    q = student([100 * run.q.top1 for run in runs])
    agreement = sum(100 * run.agreement for run in runs) / len(runs)
    synthesis, fit = (
        sum(run.seconds[stage] for run in runs) / len(runs) for stage in ("synthesis", "fit")
    )
    steps = images * runs[0].spec.synthesis.steps
    cells = [bits, terms, f"{images:,}", f"{steps:,}", f"{synthesis:.0f}", f"{fit:.0f}"]
    interval = "" if len(runs) == 1 else f" [{q.low:.1f}, {q.high:.1f}]"
    cells += [f"{q.value:.1f}{interval}", f"{agreement:.1f}", str(len(runs))]
    return f"| {' | '.join([*cells, f'{runs[0].evaluated:,}'])} |"


if __name__ == "__main__":
    main()
