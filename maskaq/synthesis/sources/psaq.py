"""PSAQ-ViT (Li et al., ECCV 2022, arXiv 2203.02250): diverse similarities between patches.

    L = CE(z, y) - sum over blocks of H + 0.05 |TV(x) - v|

H is the entropy of the similarities between patch features, see `patch_entropy`, which also says
how TV is measured and v drawn. The release optimises pixels in two rounds of 500 steps, each with a
learning rate of its own that warms up and falls; here it is one round, the schedule that all
sources share, and the views and the parametrisation of the options. TV is that of the images
themselves, not of their views.
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
    """Patches whose features are alike in many different ways (PSAQ-ViT, ECCV 2022)."""
    own = replace(options, source="psaq")
    own = replace(own, coefficients=coefficients_of(own))
    return optimise_images(loaded, own, **how)
