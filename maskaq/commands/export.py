"""`export` and `benchmark`: Q as a file for other programs, and what such files cost."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskaq.errors import OptionError
from maskaq.export.targets import FORMATS, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from tqdm import tqdm

    from maskaq.export.exporting import Exported
    from maskaq.export.measure import Measurements


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    option = parser.add_argument
    option("folder", type=Path, metavar="RUN", help="folder of a stored run")
    option(
        "--format",
        default="onnx",
        help="; ".join(f"{name}: {about}" for name, about in FORMATS.items())
        + " (default: %(default)s)",
    )
    option("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    targets = ", ".join(TARGETS)
    option("--target", default="", help=f"{targets}; by default this machine's, see docs/deploy.md")
    option("--eval-images", type=int, default=0, help="images to check answers on; 0 for the run's")
    option("--json", action="store_true", help="print one JSON object instead of sentences")
    parser.set_defaults(command=_export)


def add_benchmark(parser: argparse.ArgumentParser) -> None:
    """The options of `benchmark`."""
    option = parser.add_argument
    option("files", type=Path, nargs="+", metavar="FILE", help="files of one model by `export`")
    option("--rounds", type=int, default=15, help="measurements of each (default: %(default)s)")
    option("--provider", default="CPU", help="of onnxruntime: CPU or CUDA (default: %(default)s)")
    option("--json", action="store_true", help="print one JSON object instead of a table")
    parser.set_defaults(command=_benchmark)


def _export(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from maskaq.export.exporting import export_run
    from maskaq.results import store

    FORMATS[args.format]
    if args.target:
        TARGETS[args.target]
    if args.eval_images < 0:
        raise OptionError(f"--eval-images is {args.eval_images}; allowed: 0 (all) or more.")
    if args.out.is_dir() or not args.out.parent.is_dir():
        raise OptionError(f"--out is {args.out}; allowed: a file in an existing folder.")
    with tqdm(desc="checking answers", unit="image", leave=False, mininterval=0.5) as bar:
        exported = export_run(
            store.read(args.folder),
            args.out,
            format=args.format,
            target=args.target,
            images=args.eval_images,
            progress=_moving(bar),
        )
    if args.json:
        print(json.dumps(asdict(exported), default=str, indent=2))
    else:
        print(_report(exported))


def _moving(bar: tqdm[Any]) -> Callable[[int, int], None]:
    """A function of what is done, and of how much, that moves a progress bar."""

    def move(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return move


def _report(exported: Exported) -> str:
    from maskaq.intervals import as_percent

    lines = [f"{exported.path}: {exported.size / 1e6:.2f} MB"]
    if exported.codes is not None and exported.answers is not None:
        codes, answers = exported.codes, exported.answers
        ties = f", {codes.ties} of them ties that round the other way" if codes.ties else ""
        lines += [
            f"codes equal to Q's: {codes.weights:,} of weights, {codes.activations:,} of "
            f"activations{ties}",
            f"{answers.metric} of the file: {as_percent(answers.top1)} images",
            f"{answers.metric} of Q:        {as_percent(answers.q)} images",
            f"difference:        {100 * answers.difference.value:+.2f} points "
            f"[{100 * answers.difference.low:+.2f}, {100 * answers.difference.high:+.2f}]",
            f"same answer as Q:  {as_percent(answers.agreement)}; Q itself, with 1e-4 of noise on "
            f"its input: {answers.floor.value:.2%}",
            "fused operators:   "
            + ", ".join(f"{count} {name}" for name, count in (exported.fused or {}).items()),
        ]
    return "\n".join(lines)


def _benchmark(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from maskaq.export.measure import measure

    if args.rounds < 1:
        raise OptionError(f"--rounds is {args.rounds}; allowed: 1 or more.")
    with tqdm(desc="measuring", unit="round", leave=False) as bar:
        found = measure(
            args.files, rounds=args.rounds, provider=args.provider, progress=_moving(bar)
        )
    if found.note:
        print(found.note, file=sys.stderr)
    if args.json:
        print(json.dumps(asdict(found), indent=2))
        return
    machine = found.machine
    print(
        f"{machine['name']} ({machine['features']}), onnxruntime {machine['onnxruntime']}, ", end=""
    )
    print(f"median of {found.rounds} rounds by turns [quartiles], ms per image")
    print(_table(found).to_string(index=False))


def _table(found: Measurements) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for one in found.models:
        row: dict[str, Any] = {
            "file": one.name,
            "bits": one.bits,
            "MB": f"{one.size / 1e6:.2f}",
            "peak MB": "" if one.memory is None else f"{one.memory:.0f}",
        }
        for timing in one.timings:
            name = f"batch {timing.batch}, {timing.threads} thread{'s' * (timing.threads > 1)}"
            row[name] = f"{timing.median:.2f} [{timing.low:.2f}, {timing.high:.2f}]"
        rows.append(row)
    return pd.DataFrame(rows)
