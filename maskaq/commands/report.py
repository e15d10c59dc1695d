"""`report`: stored runs as an HTML report, or only their settings or tables."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from maskaq.errors import OptionError, RunError
from maskaq.files import atomic_write

if TYPE_CHECKING:
    from maskaq.results.store import Stored

_ENDINGS = (".html", ".json", ".zip")


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    option = parser.add_argument
    option("folders", type=Path, nargs="+", metavar="RUN", help="folders of stored runs")
    option(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help=".html, .json (settings) or .zip (tables as CSV); default: %(default)s",
    )
    parser.set_defaults(command=_report)


def _report(args: argparse.Namespace) -> None:
    from maskaq.results import store

    if args.out.suffix not in _ENDINGS:
        raise OptionError(
            f"{args.out} ends in {args.out.suffix!r}; allowed: {', '.join(_ENDINGS)}."
        )
    content = _content([store.read(folder) for folder in args.folders], args.out.suffix)
    try:
        with atomic_write(args.out) as draft:
            draft.write_bytes(content)
    except OSError as error:
        raise RunError(f"{args.out} cannot be written ({error}); choose another file.") from error
    print(f"written to {args.out}")


def _content(runs: Sequence[Stored], ending: str) -> bytes:
    from maskaq._version import __version__
    from maskaq.reports import html, tables

    if ending == ".json":
        return tables.settings_json(runs).encode()
    if ending == ".zip":
        return tables.csv_zip(runs)
    now = f"{datetime.now(UTC):%d %B %Y, %H:%M UTC}"
    text = html.html(runs, f"Made on {now} by the command line of maskaq {__version__}.")
    return text.encode()
