"""The command line that repeats a run."""

from __future__ import annotations

import shlex

from maskaq.config import RunSpec
from maskaq.methods import METHODS


def command_of(spec: RunSpec) -> str:
    """`python -m maskaq run ...` for a spec: its method, and every option that differs from it."""
    base = METHODS[spec.method].spec(spec.method)
    words = ["python", "-m", "maskaq", "run", "--model", spec.model]
    words += ["--bits", spec.quantization.name, "--method", spec.method, "--seed", str(spec.seed)]
    for option, value, default in options_of(spec, base):
        if value != default:
            words += [option, value]
    return shlex.join(words)


def options_of(spec: RunSpec, base: RunSpec) -> list[tuple[str, str, str]]:
    """Command-line options as (name, value in `spec`, value in `base`)."""

    def values(run: RunSpec) -> dict[str, str]:
        start, end = run.synthesis.mask_ratio
        return {
            "--weights": run.weights,
            "--data": run.data,
            "--source": run.synthesis.source,
            "--backend": run.fit.backend,
            "--images": str(run.synthesis.images),
            "--steps": str(run.synthesis.steps),
            "--mask-ratio": f"{start:g}:{end:g}",
            "--parametrisation": run.synthesis.parametrisation,
            "--eval-images": str(run.eval_images),
            "--holdout": str(run.holdout),
            "--first-last": run.quantization.first_last,
            "--precision": run.precision,
            "--device": run.device,
        }

    mine, theirs = values(spec), values(base)
    return [(name, value, theirs[name]) for name, value in mine.items()]
