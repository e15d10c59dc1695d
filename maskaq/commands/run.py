"""`run`: quantize a model and report its accuracy and cost."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskaq.config import RunSpec
from maskaq.config.overrides import OPTIONS, replaced, with_settings
from maskaq.config.parsing import Every, parse_bits, parse_every, parse_ratio
from maskaq.config.presets import spec_of
from maskaq.errors import RunError

if TYPE_CHECKING:
    from maskaq.results.result import Finished


def add(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    option = parser.add_argument
    option("--model", default="scenes_vit", help="bundled id or timm name (default: %(default)s)")
    option("--bits", default="W4A4", help="W2A2 to W8A8 (default: %(default)s)")
    option("--method", default="maskaq", help="preset of all options below (default: %(default)s)")
    option("--seed", type=int, default=0)
    option("--out", type=Path, metavar="DIR", help="folder for the result, images, curves and Q")
    option("--json", action="store_true", help="print one JSON object instead of a table")
    option(
        "--weights",
        metavar="FILE[#KEY]",
        help="file with the model's weights, the index of several files, or their folder; KEY is "
        "one of several models in the file, as in ckpt.pt#student",
    )
    option("--global-pool", help="token or avg, for weights that do not tell how they are pooled")
    option("--data", help="folder of labelled images to evaluate on (forms: docs/data.md)")
    option("--class-names", metavar="FILE", help="names of the classes, one a line, or JSON")
    option(
        "--skip-unreadable",
        action="store_true",
        default=None,
        help="leave out images that cannot be read, and say how many",
    )
    option("--source", help="sample source; overrides the method's")
    option("--backend", help="back-end that fits Q; overrides the method's")
    option("--images", type=int, help="number of samples")
    option("--steps", type=int, help="synthesis steps per batch")
    option("--mask-ratio", help="START:END or one number, such as 0.5:0.1")
    option("--parametrisation", help="natural or pixels")
    option("--eval-images", type=int, help="number of evaluation images, 0 for all")
    option("--holdout", type=int, help="images of the folder reserved for `real`, never evaluated")
    option("--first-last", help="bit width of patch embedding and head: 8 or target")
    option(
        "--scheme",
        help="auto; foldable: a single range after each LayerNorm, as in most published methods; "
        "integer: only what can be exported (docs/deploy.md)",
    )
    option(
        "--average-bits",
        type=float,
        help="mixed precision: the average bits of the weights, such as 3.5; layers that matter "
        "more get more bits, and --bits then sets the activations",
    )
    option("--precision", help="of the synthesis: auto, float32 or bfloat16")
    option("--device", help="cpu, cuda, cuda:N or mps")
    option(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, such as synthesis.coefficients.align=0; may be repeated",
    )
    option(
        "--checkpoint",
        default="30s",
        metavar="EVERY",
        help="with --out, how often synthesis, lsq-kd and reconstruct save the state from which "
        "the same command resumes: seconds (30s), steps (100) or off (default: %(default)s)",
    )
    parser.set_defaults(command=_run)


def spec_from(args: argparse.Namespace) -> RunSpec:
    """The run that the options describe: the method's settings, overridden by the given options.

    Raises:
        OptionError: a value is not allowed.
    """
    settings: dict[str, Any] = {"model": args.model, "seed": args.seed}
    for option, name in OPTIONS.items():
        value = getattr(args, option.removeprefix("--").replace("-", "_"))
        if value is not None:
            settings[name] = parse_ratio(value) if option == "--mask-ratio" else value
    spec = replaced(spec_of(args.method, parse_bits(args.bits)), settings)
    return with_settings(spec, args.set)


def _run(args: argparse.Namespace) -> None:
    spec, every = spec_from(args), parse_every(args.checkpoint)
    if args.out is None:
        from maskaq.runs.execute import execute

        finished = execute(spec)
    else:
        finished = _execute_into(spec, args.out, every)
    if args.json:
        summary = asdict(finished.result)
        del summary["tensors"]  # long, and stored in the folder
        print(json.dumps(summary, indent=2))
    else:
        from maskaq.results.comparison import table

        print(table(finished.result))
        if args.out is not None:
            print(f"\nwritten to {args.out}")


def _execute_into(spec: RunSpec, out: Path, every: Every) -> Finished:
    """Do the run and store it in `out`; resumes a stopped run with the same settings."""
    from maskaq.results import store
    from maskaq.runs import checkpointing
    from maskaq.runs.execute import execute

    store.check_target(out)
    checkpoints = checkpointing.checkpoints(spec, out, every)
    if checkpoints.found:
        print("resuming the run from its last checkpoint", file=sys.stderr)
    try:
        finished = execute(spec, checkpoints=checkpoints)
    except KeyboardInterrupt:
        if checkpoints.found:
            print("the same command resumes from the last checkpoint", file=sys.stderr)
        raise
    try:
        store.save(finished, out)
    except RunError as error:  # the run may have taken hours: save it elsewhere
        spare = Path(tempfile.mkdtemp(prefix="maskaq-")) / out.name
        store.save(finished, spare)
        raise RunError(f"{error} The run was saved in {spare} instead.") from error
    checkpoints.clear()
    return finished
