"""`python -m maskaq`: run methods, list what there is, look after stored runs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from maskaq.commands import lists, report, run, runs, sweep
from maskaq.errors import MaskaqError

_BAD_VALUE = 2  # exit code, as argparse's own


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 if it failed, 2 for a bad value."""
    args = parser().parse_args(arguments)
    try:
        args.command(args)
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MaskaqError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_VALUE
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    made = argparse.ArgumentParser(
        prog="python -m maskaq",
        description="Quantize Vision Transformers without their training data.",
    )
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    run.add(commands.add_parser("run", help="quantize a model and say what that cost"))
    runs.add(commands.add_parser("runs", help="list, show, compare, delete and export stored runs"))
    report.add(commands.add_parser("report", help="stored runs as one HTML file, with figures"))
    sweep.add_sweep(commands.add_parser("sweep", help="do all runs of a grid file"))
    sweep.add_estimate(commands.add_parser("estimate", help="say what runs will cost"))
    lists.add_models(commands.add_parser("models", help="list the models that can be quantized"))
    lists.add_methods(commands.add_parser("methods", help="list methods, sources and back-ends"))
    return made


if __name__ == "__main__":
    sys.exit(main())
