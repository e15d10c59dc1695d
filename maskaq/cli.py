"""`python -m maskaq`: run methods, list what is available, manage stored runs."""

import argparse
import os
import sys
from collections.abc import Sequence

from maskaq.commands import export, lists, report, run, runs, sweep
from maskaq.errors import MaskaqError, OptionError

_FAILED, _BAD_VALUE, _INTERRUPTED = 1, 2, 130  # exit codes; argparse exits with 2, too


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0: success. 1: it failed, for example because data or weights cannot be used. 2: an option or a
    grid file has an invalid value. 130: interrupted by Ctrl-C.
    """
    args = parser().parse_args(arguments)
    try:
        args.command(args)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except MaskaqError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_VALUE if isinstance(error, OptionError) else _FAILED
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return _INTERRUPTED
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    main_parser = argparse.ArgumentParser(
        prog="python -m maskaq",
        description="Quantize Vision Transformers without their training data.",
    )
    commands = main_parser.add_subparsers(required=True, metavar="COMMAND")
    run.add(commands.add_parser("run", help="quantize a model and report its accuracy and cost"))
    runs.add(commands.add_parser("runs", help="list, show, compare, delete and export stored runs"))
    report.add(commands.add_parser("report", help="write stored runs to an HTML file with figures"))
    export.add_export(commands.add_parser("export", help="write the Q of a stored run as a file"))
    export.add_benchmark(
        commands.add_parser("benchmark", help="measure size, memory and time of such files")
    )
    sweep.add_sweep(commands.add_parser("sweep", help="do all runs of a grid file"))
    sweep.add_estimate(commands.add_parser("estimate", help="estimate the time and memory of runs"))
    models = commands.add_parser("models", help="list the models that can be quantized")
    models.set_defaults(command=lists.models)
    methods = commands.add_parser("methods", help="list methods, sources and back-ends")
    methods.set_defaults(command=lists.methods)
    return main_parser


if __name__ == "__main__":
    sys.exit(main())
