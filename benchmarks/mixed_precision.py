"""Mixed precision against equal bits: at the same size, and at sizes in between.

    python -m benchmarks.mixed_precision --seed 0 1 2

Every run of a seed uses the same samples. Differences are those to equal bits of the same average,
taken seed by seed; their intervals are Student's 95 % intervals over the seeds. A stopped table
resumes, as in `benchmarks.accuracy`.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.cells import Cells
from maskaq.config import RunSpec
from maskaq.config.overrides import with_settings
from maskaq.config.presets import spec_of
from maskaq.intervals import student
from maskaq.results.result import RunResult

Results = dict[float, dict[int, RunResult]]  # by average bits, negative for equal bits, and seed
HEAD = "| weights | bits | Q top-1, % | agreement, % | against equal bits, points | fit, s |"


def main(words: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(words)
    cells = Cells(args.out)
    found: Results = {}
    for average, seed, spec in plan(args):
        base = replace(spec, quantization=spec_of(args.method).quantization)
        formats = spec.quantization
        name = f"{spec.model}_{formats.label.replace(' ', '-')}_{seed}"
        result = cells.result(name, spec, samples_of=base)
        found.setdefault(average, {})[seed] = result
        print(f"{formats.label}, seed {seed}: {result.q.top1:.4f}", file=sys.stderr, flush=True)
    print(HEAD + "\n" + "|---" * HEAD.count(" | ") + "|---|")
    print("\n".join(line(average, by_seed, found) for average, by_seed in found.items()))
    first = next(iter(found[max(found)].values()))
    print(f"\nP {100 * first.fp.top1:.1f} %, n = {first.evaluated:,}, seeds {args.seed}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    option = parser.add_argument
    option("--model", default="scenes_vit")
    option("--weights", default="")
    option("--data", default="")
    option("--method", default="maskaq")
    option("--equal", nargs="*", type=int, default=[2, 3, 4], help="bits of all layers")
    option("--average", nargs="*", type=float, default=[2.25, 2.5, 3.0, 3.5, 4.0])
    option("--activations", type=int, default=4, help="bits of the activations")
    option("--seed", nargs="+", type=int, default=[0])
    option("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings")
    option("--eval-images", type=int, default=0)
    option("--out", type=Path, default=Path("runs/mixed_precision"))
    return parser


def plan(args: argparse.Namespace) -> Iterator[tuple[float, int, RunSpec]]:
    """Average bits (negative for equal bits), seed and spec of each run, seed by seed."""
    for seed in args.seed:
        for average in [*(-float(bits) for bits in args.equal), *args.average]:
            bits = round(-average) if average < 0 else 4
            spec = spec_of(args.method, (bits, args.activations))
            spec = with_settings(spec, args.settings)
            formats = replace(spec.quantization, average_bits=max(0.0, average))
            yield (
                average,
                seed,
                replace(
                    spec,
                    model=args.model,
                    weights=args.weights,
                    data=args.data,
                    seed=seed,
                    quantization=formats,
                    eval_images=args.eval_images,
                ),
            )


def line(average: float, by_seed: dict[int, RunResult], found: Results) -> str:
    """A row of the table in Markdown."""
    results = list(by_seed.values())
    equal = found.get(-average, {}) if average > 0 else {}
    pairs = [(one, equal[seed]) for seed, one in by_seed.items() if seed in equal]
    gain = student([100 * (one.q.top1 - other.q.top1) for one, other in pairs])
    cells = [
        "equal" if average < 0 else "mixed",
        f"{abs(average):g}",
        _mean([100 * one.q.top1 for one in results]),
        _mean([100 * one.agreement for one in results]),
        f"{gain.value:+.1f} [{gain.low:+.1f}, {gain.high:+.1f}]" if pairs else "",
        f"{student([one.seconds['fit'] for one in results]).value:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def _mean(values: list[float]) -> str:
    return f"{student(values).value:.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
