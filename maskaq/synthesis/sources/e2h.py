"""DFQ-ViT (Tong et al., arXiv 2507.14481): synthesis from easy to hard.

Only the idea and its purpose are public, a better balance of global and local features, but no
losses, no definition of difficulty and no schedule. This is our reading: a curriculum that first
fits whole images, then smaller and smaller random crops resized to the full input, each with the
image's label, so that the images get their global layout before their details. The views are those
of the augmentation `easy-to-hard`; the terms are cross-entropy to the label and, as in MimiQ, total
variation.
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
    """Optimise whole images, then smaller and smaller crops (our reading of DFQ-ViT, 2025)."""
    own = replace(options, source="e2h", augmentation="easy-to-hard")
    own = replace(own, coefficients=coefficients_of(own))
    return optimise_images(loaded, own, **how)
