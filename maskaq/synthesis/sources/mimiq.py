"""MimiQ (Choi et al. 2025), the method that MaskAQ extends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
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
    """Optimise without similarity entropy and alignment."""
    without = replace(options, coefficients=replace(options.coefficients, entropy=0.0, align=0.0))
    return optimise_images(loaded, without, **how)
