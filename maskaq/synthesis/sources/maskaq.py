"""MaskAQ (Qian et al. 2026): synthesis with all terms of the options."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskaq.config import SynthesisOptions
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
    """Optimise with every term that has a coefficient, alignment with Q included."""
    return optimise_images(loaded, options, **how)
