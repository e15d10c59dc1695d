"""One table: sources x bit-widths, with all other settings of one method.

    python -m benchmarks.sources --bits W4A4 W3A3 --source noise mimiq maskaq real
    python -m benchmarks.sources --bits W8A8 W4A4 --model vit_tiny_patch16_224 \\
        --weights FILE --data FOLDER --holdout 32

Every run is stored under --out and not repeated, so a stopped table resumes. All runs of one table
are evaluated on the same images: --holdout excludes the images of `real` for all of them. With
--examples the small files of each run are also copied into the library, where the app shows them.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from benchmarks.cells import with_arguments
from maskaq.config import RunSpec
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.results import manifest, store
from maskaq.results.result import RunResult
from maskaq.runs.context import RunContext
from maskaq.runs.execute import execute
from maskaq.ui.state.stored_runs import EXAMPLES

# The files of a run that the app reads: all except Q.
LIGHT = (
    "result.json",
    "curves.parquet",
    "samples.safetensors",
    "evidence.safetensors",
    "frames.webp",
)
HEAD = "| bits | source | back-end | seed | P top-1 | Q top-1 [95 %] | agreement | n | seconds |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--method", default="maskaq")
    parser.add_argument("--bits", nargs="+", default=["W4A4"])
    parser.add_argument("--source", nargs="+", default=["noise", "mimiq", "maskaq", "real"])
    parser.add_argument("--backend", nargs="+", help="default: the method's")
    parser.add_argument("--seed", nargs="+", type=int, default=[0])
    parser.add_argument("--images", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--eval-images", type=int, default=0)
    parser.add_argument("--holdout", type=int, default=0)
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/sources"))
    args = parser.parse_args()
    print(HEAD + "\n" + "|---" * HEAD.count(" | ") + "|---|", flush=True)
    for bits in args.bits:
        for source in args.source:
            for backend in args.backend or [spec_of(args.method).fit.backend]:
                for seed in args.seed:
                    spec = cell(args, bits, source, backend, seed)
                    folder = args.out / name_of(spec)
                    print(row(result_of(spec, folder)), flush=True)
                    if args.examples:
                        ship(folder)


def name_of(spec: RunSpec) -> str:
    """The folder name of a run."""
    bits, source, backend = spec.quantization.name, spec.synthesis.source, spec.fit.backend
    return f"{spec.model}_{bits}_{source}_{backend}_{spec.seed}"


def run_folder(runs: Path, bits: str, source: str) -> Path:
    """Where this script stores a run of method `maskaq` with the given source."""
    base = spec_of("maskaq", parse_bits(bits))
    return runs / name_of(replace(base, synthesis=replace(base.synthesis, source=source)))


def cell(args: argparse.Namespace, bits: str, source: str, backend: str, seed: int) -> RunSpec:
    """The spec of one cell of the table."""
    base = spec_of(args.method, parse_bits(bits))
    images = args.images or base.synthesis.images
    steps = base.synthesis.steps if args.steps is None else args.steps
    return with_arguments(
        base,
        args,
        seed,
        holdout=args.holdout,
        synthesis=replace(base.synthesis, source=source, images=images, steps=steps),
        fit=replace(base.fit, backend=backend),
    )


def result_of(spec: RunSpec, folder: Path, context: RunContext | None = None) -> RunResult:
    """The stored result of exactly this spec, or that of a new run.

    context: as in `runner.run`; without one the run's seconds contain loading and evaluating P.
    """
    if (folder / "result.json").is_file() and (stored := store.read(folder)).result.spec == spec:
        return stored.result
    finished = execute(spec, context=context)
    store.save(finished, folder)
    return finished.result


def ship(folder: Path) -> None:
    """Copy the files that the app reads into the library."""
    target = EXAMPLES / folder.name
    target.mkdir(parents=True, exist_ok=True)
    for name in LIGHT:
        if (folder / name).exists():
            shutil.copyfile(folder / name, target / name)
    manifest.seal(target)


def row(result: RunResult) -> str:
    """One line of the table."""
    spec, q = result.spec, result.q
    cells = [
        spec.quantization.name,
        spec.synthesis.source,
        spec.fit.backend,
        str(spec.seed),
        f"{result.fp.top1:.1%}",
        f"{q.top1:.1%} [{q.top1_low:.1%}, {q.top1_high:.1%}]",
        f"{result.agreement:.1%}",
        str(result.evaluated),
        f"{result.seconds['total']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
