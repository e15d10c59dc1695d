"""`sweep` and `estimate`: do the runs of a grid file, and estimate their cost."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.config import RunSpec
from maskaq.config.grid_file import read_grid, read_spec
from maskaq.config.parsing import duration
from maskaq.errors import MaskaqError

if TYPE_CHECKING:
    from maskaq.runs.estimate import Total

_MACHINES = (1, 2, 4, 8)


class SweepError(MaskaqError):
    """Some runs of a sweep failed."""


def add_sweep(parser: argparse.ArgumentParser) -> None:
    """The options of `sweep`."""
    option = parser.add_argument
    option("grid", type=Path, metavar="GRID.toml", help="file with settings, axes and single runs")
    option("--out", type=Path, required=True, metavar="DIR", help="gets one subfolder per run")
    option("--workers", default="1", metavar="N", help="local processes (default: %(default)s)")
    option("--scheduler", default="", metavar="tcp://HOST:PORT", help="use a running Dask cluster")
    option("--no-estimate", action="store_true", help="start without measuring the cost")
    parser.set_defaults(command=_sweep)


def add_estimate(parser: argparse.ArgumentParser) -> None:
    """The options of `estimate`."""
    option = parser.add_argument
    option("spec", type=Path, metavar="FILE", help="a grid (.toml), a spec or a result (.json)")
    parser.set_defaults(command=_estimate)


def _sweep(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from maskaq.jobs import connection, sweep

    settings = connection.Settings.of(
        args.workers, args.scheduler, names=("--workers", "--scheduler")
    )
    connection.security(settings.scheduler)
    runs = sweep.plan(read_grid(args.grid), args.out)
    remaining = [one.spec for one in runs if not one.finished]
    print(f"{len(runs):,} runs, {len(runs) - len(remaining):,} of them already finished")
    if not remaining:
        return
    if not args.no_estimate:
        _print_total(_measured(remaining), settings.workers if not settings.scheduler else 0)
    link = connection.reach(settings)
    try:
        with tqdm(total=None, unit="task", smoothing=0.1) as bar:

            def report(done: int, total: int, what: str) -> None:
                bar.total = total
                bar.set_postfix_str(what, refresh=False)
                bar.update(done - bar.n)

            outcome = sweep.sweep(runs, link, report)
    except KeyboardInterrupt:
        print("finished runs are stored; the same command resumes the sweep", file=sys.stderr)
        raise
    finally:
        link.close()
    print(f"{outcome.finished:,} finished, {len(outcome.failed):,} failed; runs are in {args.out}")
    if outcome.failed:
        reasons = "; ".join(f"{folder.name}: {why}" for folder, why in outcome.failed.items())
        raise SweepError(f"{reasons} (tracebacks in {args.out}/*.failed.json)")


def _estimate(args: argparse.Namespace) -> None:
    path: Path = args.spec
    specs = read_grid(path) if path.suffix == ".toml" else [read_spec(path)]
    print(f"{len(specs):,} {'run' if len(specs) == 1 else 'runs'}")
    _print_total(_measured(specs), 0)


def _measured(specs: Sequence[RunSpec]) -> Total:
    from tqdm import tqdm

    from maskaq.runs import estimate

    with tqdm(desc="measuring", unit="kind") as bar:

        def note(what: str) -> None:
            bar.set_postfix_str(what, refresh=False)
            bar.update()

        return estimate.total(specs, estimate.estimate(specs, note))


def _print_total(cost: Total, workers: int) -> None:
    print(f"{cost.image_steps:,} image-steps; at least {cost.memory_mb:,.0f} MB per worker")
    print("extrapolated from a short measurement, often wrong by 30 %:")
    for machines in _MACHINES:
        like = "this machine" if machines == 1 else f"{machines} machines like it"
        print(f"  {like + ':':24} {duration(cost.on(machines))}")
    if workers > 1:
        print(f"  {workers} workers here share its processors and take about as long as one")
