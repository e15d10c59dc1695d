"""Which runs draw the same samples, and in which batches, so that they are drawn only once."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from maskaq.config.components import DRAWING
from maskaq.config.options import FitOptions, QuantOptions, RunSpec, SynthesisOptions
from maskaq.config.parsing import to_json

__all__ = ["LOOKS_AT_Q", "batches", "drawing_key", "judged"]

# Sources whose images depend on Q, by the alignment in their loss; others look at P alone.
LOOKS_AT_Q = frozenset({"maskaq"})


def drawing_key(spec: RunSpec) -> str:
    """The same for all specs that draw the same samples, and for no others."""
    key = replace(judged(spec), synthesis=spec.synthesis, precision=spec.precision)
    made = spec.synthesis
    if not spec.data:
        key = replace(key, eval_images=0)  # calibration scenes do not depend on it
    if made.source in LOOKS_AT_Q and made.coefficients.align > 0:
        fit = FitOptions(backend=spec.fit.backend)
        key = replace(key, quantization=spec.quantization, fit=fit)
    return hashlib.sha256(to_json(key).encode()).hexdigest()


def batches(spec: RunSpec) -> range:
    """Where the batches of the synthesis begin; none for a source that optimises nothing."""
    made = spec.synthesis
    drawn = made.images if made.source in DRAWING else 0
    return range(0, drawn, made.batch)


def judged(spec: RunSpec) -> RunSpec:
    """What of a spec decides on P and on the images that models are judged on."""
    drawn = spec.synthesis.images if spec.synthesis.source == "real" and spec.data else 0
    return replace(
        spec,
        holdout=max(spec.holdout, drawn),
        method=RunSpec.method,
        synthesis=SynthesisOptions(),
        quantization=QuantOptions(),
        fit=FitOptions(),
        precision=RunSpec.precision,
    )
