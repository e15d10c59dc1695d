"""`models` and `methods`: the available models, methods, sources and back-ends."""

import argparse
import shutil
import sys
import textwrap

from maskaq.config.components import BACKENDS, SOURCES
from maskaq.config.presets import METHODS
from maskaq.precomputed import default_run


def models(args: argparse.Namespace) -> None:
    """Print the models that load without a weights file."""
    from maskaq.models import menu

    for name, description in menu.descriptions().items():
        print(f"{name:40} {description}")
    print(
        f"Names from {menu.FILE}. The first use of a timm model downloads its weights. For other "
        "backbones of timm pass --weights FILE; docs/families.md names tested families.",
        file=sys.stderr,
    )


def methods(args: argparse.Namespace) -> None:
    """Print methods with their cost, sources and back-ends."""
    for name, method in METHODS.items():
        _print_row("method", name, method.description)
        run = default_run.measured(name)
        if run:
            where = f"measured for scenes_vit at {run.bits} on {run.cores} cores"
            _print_row("", "", f"cost: {run.seconds:.0f} s, {where}")
        elif method.note:
            _print_row("", "", f"cost: {method.note}")
    for name, source in SOURCES.items():
        _print_row("source", name, source.description)
    for name, backend in BACKENDS.items():
        _print_row("back-end", name, backend.description)


def _print_row(kind: str, name: str, text: str) -> None:
    """Print one entry, its text wrapped in its own column to the width of the terminal."""
    left = f"{kind:8} {name:14} "
    width = max(60, shutil.get_terminal_size().columns)
    indent = " " * len(left)
    lines = textwrap.wrap(
        text, width, initial_indent=left, subsequent_indent=indent, break_on_hyphens=False
    )
    print("\n".join(lines))
