"""Sources for comparison: noise, which every method has to beat, and real images."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.errors import DataError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import IMAGES_PER_EVENT, Samples, optimise_images, recognised_share
from maskaq.synthesis.sources.base import Calibration


def noise(
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
    pixels = replace(options, parametrisation="pixels", steps=0)
    for samples in optimise_images(loaded, pixels, **how):
        if isinstance(samples, Samples):
            yield Event("synthesis", 1, 1, images=samples.images[:IMAGES_PER_EVENT])
        yield samples


def real(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    start: Samples | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Images of the calibration split, which no data-free source may use.

    Raises:
        DataError: there are none.
    """
    if start is not None:
        yield start
        return
    if calibration is None:
        raise DataError(
            "source 'real' needs real images and there are none; pass --data FOLDER, or use a "
            "data-free source such as 'maskaq'."
        )
    images, labels = calibration(options.images)
    yield Event("synthesis", 1, 1, images=images[:IMAGES_PER_EVENT])
    yield Samples(images, labels, recognised_share(loaded, images, labels))
