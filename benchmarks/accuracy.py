"""One table: every source of images with every back-end, at several number formats and seeds.

    python -m benchmarks.accuracy --seed 0 1 2 --set fit.reconstruction.tune=0 --store
    python -m benchmarks.accuracy --model vit_tiny_patch16_224 --weights FILE --data FOLDER \\
        --holdout 64 --bits W4A4 W3A3 --source maskaq real --backend repq reconstruct

Every cell is stored under --out and not run again, so a stopped table goes on; --stored shows what
is there and runs nothing. Samples are drawn once per model, source and seed and serve all back-ends
and formats. Source `maskaq` looks at Q while it draws: its samples are drawn once per format, too,
always against the Q of the method's own back-end. Without --source and --backend all there are.
All cells of a seed are judged on the same images; for photographs the holdout, from which `real`
draws, is at least as large as the number of samples. --set changes any setting of all cells.
"""

from __future__ import annotations

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

from benchmarks.cells import Cells
from benchmarks.sources import row
from maskaq.config import RunSpec
from maskaq.config.overrides import changed
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.precomputed import accuracy_table
from maskaq.precomputed.accuracy_table import Cell, over_seeds
from maskaq.quantization.backends import BACKENDS
from maskaq.results.result import RunResult
from maskaq.synthesis.sources import SOURCES

BITS = ("W8A8", "W6A6", "W4A8", "W4A4", "W3A3")


class Planned(NamedTuple):
    """A cell to come: its name, its spec, and the spec whose samples it takes."""

    name: str
    spec: RunSpec
    drawn_by: RunSpec


def main(words: Sequence[str] | None = None) -> None:
    args = _parser().parse_args(words)
    cells = Cells(args.out)
    results: list[RunResult] = []
    for planned in plan(args):
        found = (
            cells.stored(planned.name, planned.spec)
            if args.stored
            else cells.result(planned.name, planned.spec, planned.drawn_by)
        )
        if found is not None:
            results.append(found)
            print(row(found), file=sys.stderr, flush=True)
    if not results:
        raise SystemExit(f"{args.out} holds no cell of this table.")
    made = [cell_of(result) for result in results]
    print(json.dumps([asdict(cell) for cell in made]) if args.json else table(made))
    if args.store:
        newest = max(results, key=lambda result: result.created)
        about = {"command": command(args), "created": newest.created, "device": newest.device}
        accuracy_table.write(args.model, made, about, accuracy_table.FILE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--holdout", type=int, default=0)
    parser.add_argument("--method", default="maskaq", help="what it does not name is this method's")
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
    parser.add_argument("--stored", action="store_true", help="run nothing, show what is there")
    parser.add_argument("--json", action="store_true", help="rows in place of the table")
    parser.add_argument(
        "--store", action="store_true", help=f"also write {accuracy_table.FILE.name}"
    )
    return parser


def plan(args: argparse.Namespace) -> Iterator[Planned]:
    """All cells, one seed after the other, samples that serve several cells together."""
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
    made = replace(
        base,
        model=args.model,
        weights=args.weights,
        data=args.data,
        seed=seed,
        device=args.device,
        eval_images=args.eval_images,
        holdout=max(args.holdout, images) if args.data else 0,
        synthesis=replace(base.synthesis, source=source, images=images, steps=steps),
        quantization=replace(base.quantization, first_last=args.first_last),
    )
    return changed(made, args.settings)


def cell_of(result: RunResult) -> Cell:
    """What the table keeps of a run."""
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

    In each place the mean over seeds and, in brackets, the lowest and the highest; with one seed
    the 95 % interval.
    """
    rows = over_seeds(pd.DataFrame([asdict(cell) for cell in cells]))
    parts = []
    for bits, found in rows.groupby("bits", sort=False):
        across = list(dict.fromkeys(found["backend"]))
        by_place = {(one.source, one.backend): one for one in found.itertuples()}
        lines = [f"| source | {' | '.join(across)} |", "|---" * (len(across) + 1) + "|"]
        for source in dict.fromkeys(found["source"]):
            places = [_place(by_place.get((source, backend))) for backend in across]
            lines.append(f"| {source} | {' | '.join(places)} |")
        seeds = sorted({cell.seed for cell in cells if cell.bits == bits})
        said = (
            f"{bits}: top-1 of Q in %, P {100 * found['p'].mean():.1f} %, "
            f"n = {found['n'].iloc[0]:,} images, seeds {' '.join(map(str, seeds))}"
        )
        parts.append("\n".join([said, "", *lines]))
    return "\n\n".join(parts)


def _place(found: object) -> str:
    if found is None:
        return "-"
    ends = (found.lowest, found.highest) if found.seeds > 1 else (found.low, found.high)
    return f"{100 * found.q:.1f} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def command(args: argparse.Namespace) -> str:
    """What makes the stored table again; own files stand as FILE and FOLDER."""
    words = ["python", "-m", "benchmarks.accuracy", "--model", args.model]
    words += ["--weights", "FILE"] if args.weights else []
    words += ["--data", "FOLDER", "--holdout", str(args.holdout)] if args.data else []
    for name in ("bits", "source", "backend", "seed"):
        chosen = [str(value) for value in getattr(args, name)]
        everything = {"source": list(SOURCES), "backend": list(BACKENDS), "bits": list(BITS)}
        words += [f"--{name}", *chosen] if chosen != everything.get(name) else []
    usual = _parser().parse_args([])
    for name in ("method", "images", "steps", "eval_images", "first_last", "device"):
        value = getattr(args, name)
        if value != getattr(usual, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    words += ["--set", *args.settings] if args.settings else []
    return shlex.join([*words, "--store"])


if __name__ == "__main__":
    main()
