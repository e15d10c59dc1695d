"""Smaller runs, for tests that do not depend on the size of a run."""

from dataclasses import replace

import maskaq
import maskaq.data.scenes
from maskaq.config import Reconstruction, RunSpec

RECONSTRUCTION = Reconstruction(steps=2, batch=4, views=2)


def shortened(spec: RunSpec) -> RunSpec:
    """The same run with few images and steps."""
    synthesis = replace(spec.synthesis, images=4, steps=4)
    fit = replace(spec.fit, reconstruction=RECONSTRUCTION)
    return replace(spec, synthesis=synthesis, fit=fit, eval_images=40)


def shorten_runs() -> None:
    """Make `maskaq.run` and `maskaq.execute` shorten their runs, and load at most 40 scenes."""
    run, execute, scenes = maskaq.run, maskaq.execute, maskaq.data.scenes.scenes
    maskaq.run = lambda spec, **options: run(shortened(spec), **options)
    maskaq.execute = lambda spec, **options: execute(shortened(spec), **options)
    maskaq.data.scenes.scenes = lambda split, indices, **options: scenes(
        split, indices[:40], **options
    )
