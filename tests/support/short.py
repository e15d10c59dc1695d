"""Smaller runs, for tests that do not depend on the size of a run."""

from dataclasses import replace

from maskaq.config import Reconstruction, RunSpec

RECONSTRUCTION = Reconstruction(steps=2, batch=4, views=2)


def shortened(spec: RunSpec) -> RunSpec:
    """The same run with few images and steps."""
    synthesis = replace(spec.synthesis, images=4, steps=4)
    fit = replace(spec.fit, reconstruction=RECONSTRUCTION)
    return replace(spec, synthesis=synthesis, fit=fit, eval_images=40)
