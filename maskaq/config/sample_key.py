"""Which runs synthesize the same samples, and in which batches, so that they do it only once."""

import hashlib
from dataclasses import replace

from maskaq.config.components import SOURCES
from maskaq.config.options import FitOptions, QuantOptions, SynthesisOptions
from maskaq.config.parsing import to_json
from maskaq.config.run_spec import RunSpec


def sample_key(spec: RunSpec) -> str:
    """Equal for specs that synthesize the same samples, and different for all others."""
    spec = spec.canonical()
    options = spec.synthesis
    key = replace(evaluation_spec(spec), synthesis=options, precision=spec.precision)
    if not spec.data:
        key = replace(key, eval_images=0)  # calibration scenes do not depend on it
    if SOURCES[options.source].uses_q and options.coefficients.align > 0:
        fit = FitOptions(backend=spec.fit.backend)
        key = replace(key, quantization=spec.quantization, fit=fit)
    return hashlib.sha256(to_json(key).encode()).hexdigest()


def batches(spec: RunSpec) -> range:
    """First images of the batches of a synthesis; empty for a source that optimises nothing."""
    options = spec.synthesis
    images = options.images if SOURCES[options.source].synthesizes else 0
    return range(0, images, options.batch)


def evaluation_spec(spec: RunSpec) -> RunSpec:
    """The part of a spec that decides on P and on the evaluation images; the rest is reset."""
    real = spec.synthesis.source == "real" and spec.data
    return replace(
        spec,
        holdout=max(spec.holdout, spec.synthesis.images if real else 0),
        method=RunSpec.method,
        synthesis=SynthesisOptions(),
        quantization=QuantOptions(),
        fit=FitOptions(),
        precision=RunSpec.precision,
    )
