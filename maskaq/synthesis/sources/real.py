"""Real images, for comparison with data-free sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from maskaq.config import SynthesisOptions
from maskaq.errors import DataError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import IMAGES_PER_EVENT, Samples, recognised_share
from maskaq.synthesis.sources.base import Calibration


def load(
    loaded: LoadedModel,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    start: Samples | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Images of the calibration split."""
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
