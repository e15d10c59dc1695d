"""Noise: the baseline that every method has to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import IMAGES_PER_EVENT, Samples, optimise_images
from maskaq.synthesis.sources.base import Calibration


def synthesize(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    start: Samples | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Normal noise, clamped to valid pixels."""
    if start is not None:
        yield start
        return
    noise = replace(options, parametrisation="pixels", steps=0)
    for samples in optimise_images(loaded, noise, **how):
        if isinstance(samples, Samples):
            yield Event("synthesis", 1, 1, images=samples.images[:IMAGES_PER_EVENT])
        yield samples
