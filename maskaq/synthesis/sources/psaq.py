"""PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250): diverse similarities between patches.

    L = CE(z, y) - sum over blocks of H + 0.05 |TV(x) - v|

H is the entropy of the similarities between patch features; see `terms.patch_entropy`, also for
TV and v. The release optimises pixels in two rounds of 500 steps, each with its own learning rate
that warms up and decays; here there is one round, with the schedule that all sources share and the
views and parametrisation of the options. TV is that of the images, not of their views.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.config.components import coefficients_of
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import Samples, optimise_images
from maskaq.synthesis.sources.base import Calibration


def synthesize(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Optimise for diverse similarities between patch features (PSAQ-ViT, ECCV 2022)."""
    own = replace(options, source="psaq")
    own = replace(own, coefficients=coefficients_of(own))
    return optimise_images(loaded, own, **how)
