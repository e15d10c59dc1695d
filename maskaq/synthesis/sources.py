"""Sample sources: where the images come from that Q is fitted to.

Each is one function; its first line is what menus show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Protocol

from torch import Tensor

from maskaq.config import SynthesisOptions
from maskaq.errors import DataError
from maskaq.events import Event
from maskaq.models.loading import Loaded
from maskaq.registry import Registry
from maskaq.synthesis.loop import SHOWN, Samples, recognised, synthesise
from maskaq.synthesis.setting import MakeQ

__all__ = ["SOURCES", "Calibration", "Source"]

Calibration = Callable[[int], tuple[Tensor, Tensor]]


class Source(Protocol):
    """Draws `options.images` samples.

    The arguments are those of `synthesise`. calibration: gives that many images uint8 [N,3,S,S] and
    labels int64 [N] of the calibration split. With `start`, samples it drew before, a source that
    optimises goes on from them, and any other returns them.
    """

    def __call__(
        self,
        loaded: Loaded,
        options: SynthesisOptions,
        *,
        seed: int,
        precision: str = "float32",
        device: str = "cpu",
        make_q: MakeQ | None = None,
        calibration: Calibration | None = None,
        start: Samples | None = None,
    ) -> Iterator[Event | Samples]: ...


SOURCES: Registry[Source] = Registry("source")


@SOURCES.register("maskaq")
def _maskaq(
    loaded: Loaded,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Every term that has a coefficient, alignment with Q included (Qian et al. 2026)."""
    return synthesise(loaded, options, **how)


@SOURCES.register("mimiq")
def _mimiq(
    loaded: Loaded,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """MaskAQ without similarity entropy and alignment, as MimiQ (Choi et al. 2025) had it."""
    without = replace(options, coefficients=replace(options.coefficients, entropy=0.0, align=0.0))
    return synthesise(loaded, without, **how)


@SOURCES.register("noise")
def _noise(
    loaded: Loaded,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    start: Samples | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Normal noise, clamped to valid pixels: what any method must beat."""
    if start is not None:
        yield start
        return
    still = replace(options, parametrisation="pixels", steps=0)
    for samples in synthesise(loaded, still, **how):
        if isinstance(samples, Samples):
            yield Event("synthesis", 1, 1, images=samples.images[:SHOWN])
        yield samples


@SOURCES.register("real")
def _real(
    loaded: Loaded,
    options: SynthesisOptions,
    *,
    calibration: Calibration | None = None,
    start: Samples | None = None,
    **how: Any,
) -> Iterator[Event | Samples]:
    """Images of the calibration split, for comparison: not data-free."""
    if start is not None:
        yield start
        return
    if calibration is None:
        raise DataError(
            "source 'real' needs real images and there are none; pass --data FOLDER, or take a "
            "data-free source such as 'maskaq'."
        )
    images, labels = calibration(options.images)
    yield Event("synthesis", 1, 1, images=images[:SHOWN])
    yield Samples(images, labels, recognised(loaded, images, labels))
