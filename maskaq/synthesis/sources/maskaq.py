"""MaskAQ (Qian et al. 2026): the synthesis as the options have it."""

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
    """Every term that has a coefficient, alignment with Q included (Qian et al. 2026)."""
    return optimise_images(loaded, options, **how)
