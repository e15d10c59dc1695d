"""`runs`: list, show, compare, delete and export stored runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.errors import OptionError, RunError
from maskaq.results import paths

if TYPE_CHECKING:
    from maskaq.results.listing import Entry

_SHOWN = ("run", "bits", "source", "backend", "seed", "q", "p", "n", "seconds", "created")
_SHARES = ("p", "q", "q_low", "q_high", "agreement")


def add(parser: argparse.ArgumentParser) -> None:
    """The subcommands of `runs`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, help: str, do: Callable[[argparse.Namespace], None]) -> _Option:
        subparser = commands.add_parser(name, help=help, description=help)
        subparser.set_defaults(command=do)
        return subparser.add_argument

    option = command("list", "list the runs below a folder; damaged ones with the reason", _list)
    option("folder", nargs="?", type=Path, metavar="DIR", help="default: $MASKAQ_RUNS or runs")
    option(
        "--where",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="filter by a column; also with != < <= > >=",
    )
    option("--sort", metavar="NAME", help="sort by this column")
    option("--reverse", action="store_true", help="sort in descending order")
    option("--limit", type=int, metavar="N", help="list at most N runs")
    option("--check", action="store_true", help="also verify the checksums of all files")
    form = option("--json", action="store_const", dest="form", const="json", help="print JSON")
    option("--csv", action="store_const", dest=form.dest, const="csv", help="print CSV")

    option = command("show", "print a stored run", _show)
    option("folder", type=Path, metavar="DIR")

    option = command("compare", "show settings that differ, and accuracies side by side", _compare)
    option("folders", type=Path, nargs="+", metavar="DIR", help="the first is the baseline")

    option = command("delete", "delete runs, including damaged and unfinished ones", _delete)
    option("folders", type=Path, nargs="+", metavar="DIR")
    option("--yes", action="store_true", help="do not ask for confirmation")

    option = command("export", "write runs as .zip, or rows as .csv, .json or .parquet", _export)
    option("target", type=Path, metavar="FILE")
    option("folders", type=Path, nargs="+", metavar="DIR")


_Option = Callable[..., argparse.Action]


def _list(args: argparse.Namespace) -> None:
    from maskaq.results import listing  # loads pandas

    place = args.folder or paths.runs_folder()
    runs = listing.where(listing.list_runs(place, thorough=args.check), args.where)
    if args.sort:
        if args.sort not in runs:
            raise OptionError(listing.no_column(args.sort, runs))
        runs = runs.sort_values(args.sort, ascending=not args.reverse, kind="stable")
    runs = runs.head(args.limit) if args.limit is not None else runs
    if args.form == "json":
        print(runs.to_json(orient="records", indent=2))
    elif args.form == "csv":
        print(runs.to_csv(index=False), end="")
    else:
        _print(runs, place)


def _print(runs: object, place: Path) -> None:
    import pandas as pd

    from maskaq.results import listing

    assert isinstance(runs, pd.DataFrame)
    whole = runs[runs["state"] == listing.WHOLE]
    shown = whole[list(_SHOWN)].copy()
    for name in _SHARES:
        if name in shown:
            shown[name] = (100 * shown[name].astype(float)).round(1)
    shown["seconds"] = shown["seconds"].astype(float).round()
    shown = shown.astype({"seed": int, "n": int, "seconds": int})
    if len(shown):
        text = shown.rename(columns={"q": "q, %", "p": "p, %"}).to_string(index=False)
        print("\n".join(map(_printable, text.split("\n"))))
    others = runs[runs["state"] != listing.WHOLE]
    print(f"{len(whole):,} runs in {place}" + (f", {len(others):,} others:" if len(others) else ""))
    columns = others["run"], others["state"], others["problem"]
    for run, state, problem in zip(*columns, strict=True):
        print(_printable(f"  {state}: {run}: {problem}"))


def _printable(text: str) -> str:
    """Text without control characters: names are read from files and are not trusted."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _show(args: argparse.Namespace) -> None:
    from maskaq.results import store
    from maskaq.results.comparison import table

    print(table(store.read(args.folder).result))


def _compare(args: argparse.Namespace) -> None:
    from maskaq.results import store
    from maskaq.results.comparison import comparison

    print(comparison([store.read(folder) for folder in args.folders]).to_string())


def _delete(args: argparse.Namespace) -> None:
    from maskaq.results import listing

    runs = [_one(folder) for folder in args.folders]
    for entry in runs:
        print(f"{entry.folder}: {entry.state}")
    if not args.yes:
        if not sys.stdin.isatty():
            raise OptionError("stdin is not a terminal; pass --yes to delete without confirmation.")
        if input(f"Delete {len(runs)} runs permanently? [y/N] ").strip().lower() != "y":
            print("nothing was deleted")
            return
    for entry in runs:
        listing.delete(entry)
    print(f"{len(runs)} deleted")


def _export(args: argparse.Namespace) -> None:
    from maskaq.results import export

    export.export([_one(folder) for folder in args.folders], args.target)
    print(f"written to {args.target}")


def _one(folder: Path) -> Entry:
    from maskaq.results import listing

    runs = list(listing.entries(folder))
    if len(runs) != 1 or runs[0].folder != folder:
        raise RunError(
            f"{folder} is not the folder of one run; `python -m maskaq runs list {folder}` lists "
            "the runs below it."
        )
    return runs[0]
