"""`python -m maskaq`: run a method, list models and methods, show a stored run."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskaq.config import RunSpec
from maskaq.errors import MaskaqError
from maskaq.methods import METHODS, spec_of
from maskaq.parsing import parse_bits, parse_ratio
from maskaq.runs.command import changed

if TYPE_CHECKING:
    from maskaq.runs.runner import Finished

_BAD_VALUE = 2  # exit code, as argparse's own


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 if it failed, 2 for a bad value."""
    args = _parser().parse_args(arguments)
    try:
        args.command(args)
    except MaskaqError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return _BAD_VALUE
    except KeyboardInterrupt:
        print("stopped; nothing was written", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m maskaq",
        description="Quantize Vision Transformers without their training data.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="quantize a model and say what that cost"))
    models = commands.add_parser("models", help="list the models that can be quantized")
    models.set_defaults(command=_models)
    methods = commands.add_parser("methods", help="list methods, sources and back-ends")
    methods.set_defaults(command=_methods)
    show = commands.add_parser("show", help="print a stored run")
    show.add_argument("folder", type=Path, metavar="DIR")
    show.set_defaults(command=_show)
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", default="scenes_vit", help="bundled id or timm name (default: %(default)s)")
    add("--bits", default="W4A4", help="W2A2 to W8A8 (default: %(default)s)")
    add("--method", default="maskaq", help="preset of everything below (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--out", type=Path, metavar="DIR", help="folder for result, images, curves and Q")
    add("--json", action="store_true", help="print one JSON object instead of a table")
    add("--weights", help="file with the model's weights")
    add("--data", help="folder of labelled images to judge on")
    add("--source", help="where samples come from, instead of the method's")
    add("--backend", help="how Q is fitted, instead of the method's")
    add("--images", type=int, help="number of samples")
    add("--steps", type=int, help="synthesis steps per batch")
    add("--mask-ratio", help="START:END or one number, such as 0.5:0.1")
    add("--parametrisation", help="natural or pixels")
    add("--eval-images", type=int, help="images to judge on, 0 for all")
    add("--holdout", type=int, help="images of the folder kept from judging, for `real`")
    add("--first-last", help="bits of patch embedding and head: 8 or target")
    add("--precision", help="of the synthesis: auto, float32 or bfloat16")
    add("--device", help="cpu, cuda, cuda:N or mps")
    add(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, such as synthesis.coefficients.align=0; may be given again",
    )
    parser.set_defaults(command=_run)


def spec_from(args: argparse.Namespace) -> RunSpec:
    """The run that the options mean: the method's settings with every given option on top.

    Raises:
        OptionError: a value is not allowed.
    """
    base = spec_of(args.method, parse_bits(args.bits))

    def given(**names: str) -> dict[str, Any]:
        """Field name to value, for the options that were given; names: field to option."""
        values = {field: getattr(args, option) for field, option in names.items()}
        return {field: value for field, value in values.items() if value is not None}

    drawn = given(
        source="source", images="images", steps="steps", parametrisation="parametrisation"
    )
    if args.mask_ratio is not None:
        drawn["mask_ratio"] = parse_ratio(args.mask_ratio)
    top = given(
        model="model",
        weights="weights",
        data="data",
        seed="seed",
        eval_images="eval_images",
        holdout="holdout",
        precision="precision",
        device="device",
    )
    spec = replace(
        base,
        synthesis=replace(base.synthesis, **drawn),
        quantization=replace(base.quantization, **given(first_last="first_last")),
        fit=replace(base.fit, **given(backend="backend")),
        **top,
    )
    return changed(spec, args.set)


def _run(args: argparse.Namespace) -> None:
    spec = spec_from(args)
    if args.out is not None:
        from maskaq.runs import store

        store.check_target(args.out)
    from maskaq.runs.api import execute

    finished = execute(spec)
    if args.out is not None:
        store.save(finished, args.out)
    if args.json:
        print(json.dumps(_summary(finished), indent=2))
    else:
        from maskaq.runs.table import table

        print(table(finished.result))
        if args.out is not None:
            print(f"\nwritten to {args.out}")


def _summary(finished: Finished) -> dict[str, object]:
    """The result without the long per-tensor report, which goes into the folder."""
    values = asdict(finished.result)
    del values["tensors"]
    return values


def _models(args: argparse.Namespace) -> None:
    from maskaq.models.architectures import model_names

    for name, about in model_names().items():
        print(f"{name:40} {about}")


def _methods(args: argparse.Namespace) -> None:
    from maskaq.quantization.backends import BACKENDS
    from maskaq.synthesis.sources import SOURCES

    for name, method in METHODS.items():
        print(f"method   {name:14} {method.description}\n{'':23} cost: {method.cost}")
    for name, source in SOURCES.items():
        print(f"source   {name:14} {' '.join((source.__doc__ or '').split('.')[0].split())}")
    for name, backend in BACKENDS.items():
        print(f"back-end {name:14} {backend.description}")


def _show(args: argparse.Namespace) -> None:
    from maskaq.runs import store
    from maskaq.runs.table import table

    stored = store.read(args.folder)
    print(table(stored.result))


if __name__ == "__main__":
    sys.exit(main())
