"""One table: every source of images with every back-end, at several number formats and seeds.

    python -m benchmarks.accuracy --seed 0 1 2 --set fit.reconstruction.tune=0
    python -m benchmarks.accuracy --model vit_tiny_patch16_224 --weights FILE --data FOLDER \\
        --holdout 64 --bits W4A4 W3A3 --source maskaq real --backend repq reconstruct

Every cell is stored under --out and not run again, so a stopped table resumes; --stored prints the
stored cells and runs nothing. Samples are made once per model, source and seed and shared by all
back-ends and formats. Source `maskaq` needs Q for its samples: they are made once per format as
well, always with the Q of the method's own back-end. --source and --backend default to all. All
cells of a seed are evaluated on the same images; for photographs the holdout, from which `real`
takes its images, is at least as large as the number of samples. --set changes any setting of all
cells.
"""

import argparse
import itertools
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks.cells import Cells, with_arguments
from benchmarks.sources import row
from maskaq.config import RunSpec
from maskaq.config.overrides import with_settings
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.models.menu import task_info
from maskaq.precomputed import accuracy_table
from maskaq.precomputed.accuracy_table import Cell, over_seeds
from maskaq.quantization.backends import BACKENDS
from maskaq.results.result import RunResult
from maskaq.synthesis.sources import SOURCES

BITS = ("W8A8", "W6A6", "W4A8", "W4A4", "W3A3")


class Planned(NamedTuple):
    """A cell: its name, its spec, and the spec whose samples it uses."""

    name: str
    spec: RunSpec
    samples_of: RunSpec


def main(words: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(words)
    cells = Cells(args.out)
    results: list[RunResult] = []
    for planned in plan(args):
        result = (
            cells.stored(planned.name, planned.spec)
            if args.stored
            else cells.result(planned.name, planned.spec, planned.samples_of)
        )
        if result is not None:
            results.append(result)
            print(row(result), file=sys.stderr, flush=True)
    if not results:
        raise SystemExit(f"{args.out} has no cell of this table.")
    rows = [cell_of(result) for result in results]
    print(json.dumps([asdict(cell) for cell in rows]) if args.json else table(rows))
    if args.store:
        newest = max(results, key=lambda result: result.created)
        about = {"command": command(args), "created": newest.created, "device": newest.device}
        accuracy_table.write(args.model, rows, about, accuracy_table.FILE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--holdout", type=int, default=0)
    parser.add_argument("--method", default="maskaq", help="settings of every cell")
    parser.add_argument("--bits", nargs="+", default=list(BITS))
    parser.add_argument("--source", nargs="+", choices=list(SOURCES), default=list(SOURCES))
    parser.add_argument("--backend", nargs="+", choices=list(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--seed", nargs="+", type=int, default=[0])
    parser.add_argument("--images", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--eval-images", type=int, default=0)
    parser.add_argument("--first-last", default="8", choices=["8", "target"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings")
    parser.add_argument("--out", type=Path, default=Path("runs/accuracy"))
    parser.add_argument("--stored", action="store_true", help="run nothing, print stored cells")
    parser.add_argument("--json", action="store_true", help="print rows as JSON")
    parser.add_argument(
        "--store", action="store_true", help=f"also write {accuracy_table.FILE.name}"
    )
    return parser


def plan(args: argparse.Namespace) -> Iterator[Planned]:
    """All cells, one seed after the other; cells that share samples follow each other."""
    for seed, source, bits, backend in itertools.product(
        args.seed, args.source, args.bits, args.backend
    ):
        own = spec(args, bits, source, seed)
        planned = replace(own, fit=replace(own.fit, backend=backend))
        end = "" if args.first_last == "8" else f"_{args.first_last}"
        end += "".join(f"_{word}" for word in args.settings)
        yield Planned(f"{args.model}_{bits}_{source}_{backend}_{seed}{end}", planned, own)


def spec(args: argparse.Namespace, bits: str, source: str, seed: int) -> RunSpec:
    """The run of one source with the back-end of the method."""
    base = spec_of(args.method, parse_bits(bits))
    images = args.images or base.synthesis.images
    steps = base.synthesis.steps if args.steps is None else args.steps
    made = with_arguments(
        base,
        args,
        seed,
        device=args.device,
        holdout=max(args.holdout, images) if args.data else 0,
        synthesis=replace(base.synthesis, source=source, images=images, steps=steps),
        quantization=replace(base.quantization, first_last=args.first_last),
    )
    return with_settings(made, args.settings)


def cell_of(result: RunResult) -> Cell:
    """The row of a run in the table."""
    seconds = result.seconds
    return Cell(
        model=result.spec.model,
        source=result.spec.synthesis.source,
        backend=result.spec.fit.backend,
        bits=result.spec.quantization.name,
        seed=result.spec.seed,
        p=result.fp.top1,
        q=result.q.top1,
        q_low=result.q.top1_low,
        q_high=result.q.top1_high,
        n=result.evaluated,
        seconds=round(seconds["fit"] + seconds["evaluation"], 1),
        drawing=round(seconds["synthesis"], 1),
    )


def table(cells: Sequence[Cell]) -> str:
    """A table in Markdown for each number format, sources down and back-ends across.

    Each cell has the mean over seeds and, in brackets, the lowest and the highest; with one seed
    the 95 % interval.
    """
    rows = over_seeds(pd.DataFrame([asdict(cell) for cell in cells]))
    metric = task_info(cells[0].model).metrics[0]
    parts = []
    for bits, part in rows.groupby("bits", sort=False):
        across = list(dict.fromkeys(part["backend"]))
        by_pair = {(one.source, one.backend): one for one in part.itertuples()}
        lines = [f"| source | {' | '.join(across)} |", "|---" * (len(across) + 1) + "|"]
        for source in dict.fromkeys(part["source"]):
            values = [_value(by_pair.get((source, backend))) for backend in across]
            lines.append(f"| {source} | {' | '.join(values)} |")
        seeds = sorted({cell.seed for cell in cells if cell.bits == bits})
        caption = (
            f"{bits}: {metric} of Q in %, P {100 * part['p'].mean():.1f} %, "
            f"n = {part['n'].iloc[0]:,} images, seeds {' '.join(map(str, seeds))}"
        )
        parts.append("\n".join([caption, "", *lines]))
    return "\n\n".join(parts)


def _value(cell: object) -> str:
    if cell is None:
        return "-"
    ends = (cell.lowest, cell.highest) if cell.seeds > 1 else (cell.low, cell.high)
    return f"{100 * cell.q:.1f} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def command(args: argparse.Namespace) -> str:
    """The command that repeats the table, with FILE and FOLDER in place of paths."""
    words = ["python", "-m", "benchmarks.accuracy", "--model", args.model]
    words += ["--weights", "FILE"] if args.weights else []
    words += ["--data", "FOLDER", "--holdout", str(args.holdout)] if args.data else []
    for name in ("bits", "source", "backend", "seed"):
        chosen = [str(value) for value in getattr(args, name)]
        everything = {"source": list(SOURCES), "backend": list(BACKENDS), "bits": list(BITS)}
        words += [f"--{name}", *chosen] if chosen != everything.get(name) else []
    defaults = _parser().parse_args([])
    for name in ("method", "images", "steps", "eval_images", "first_last", "device"):
        value = getattr(args, name)
        if value != getattr(defaults, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--set", *args.settings] if args.settings else []
    return shlex.join([*words, "--store"])


if __name__ == "__main__":
    main()
