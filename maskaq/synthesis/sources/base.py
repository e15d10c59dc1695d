"""The interface of a sample source."""

from collections.abc import Callable, Iterator
from typing import Protocol

from torch import Tensor

from maskaq.checkpoints import NOWHERE, Checkpoints
from maskaq.config import SynthesisOptions
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.context import MakeQ
from maskaq.synthesis.loop import Samples

Calibration = Callable[[int], tuple[Tensor, Tensor]]


class Source(Protocol):
    """Makes `options.images` calibration images.

    The arguments are those of `optimise_images`. calibration: returns N images uint8 [N,3,S,S] and
    labels int64 [N] of the calibration split. start: samples of an earlier call; a source that
    optimises images continues from them, any other returns them.
    """

    def __call__(
        self,
        loaded: LoadedModel,
        options: SynthesisOptions,
        *,
        seed: int,
        precision: str = "float32",
        device: str = "cpu",
        make_q: MakeQ | None = None,
        calibration: Calibration | None = None,
        start: Samples | None = None,
        checkpoints: Checkpoints = NOWHERE,
        only: int | None = None,
    ) -> Iterator[Event | Samples]: ...
