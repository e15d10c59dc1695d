"""The interface of a back-end: a scheme of quantizers and a function that fits them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from maskaq.checkpoints import NOWHERE, Checkpoints
from maskaq.config import FitOptions, QuantOptions
from maskaq.events import Event
from maskaq.quantization.conversion.convert import Scheme
from maskaq.tasks import Task
from maskaq.tasks.classification import TASK as CLASSIFICATION


@dataclass(frozen=True)
class FitTask:
    """Everything a back-end may use.

    p: the full-precision model, frozen.
    q: converted but not calibrated; fitted in place.
    images: calibration images, uint8 [N,3,S,S].
    inputs: normalises a batch of them and moves it to the device of the models.
    prefix: number of prefix tokens.
    precision: of forward passes that train, `"float32"` or `"bfloat16"`.
    resynthesize: refreshes the images against the current Q; yields events and last the new
        images, uint8 [N,3,S,S]. None if the source has no such step.
    checkpoints: where a long fit keeps its state, and resumes from.
    formats: the options Q was converted with.
    purpose: what the models are for. extra_tune_bits: see `TaskInfo`.
    """

    p: nn.Module
    q: nn.Module
    images: Tensor
    inputs: Callable[[Tensor], Tensor]
    prefix: int
    options: FitOptions
    seed: int
    precision: str = "float32"
    resynthesize: Callable[[nn.Module], Iterator[Event | Tensor]] | None = None
    checkpoints: Checkpoints = NOWHERE
    formats: QuantOptions = field(default_factory=QuantOptions)
    purpose: Task = CLASSIFICATION
    extra_tune_bits: int = 0


@dataclass(frozen=True)
class Backend:
    """A back-end: its scheme, and the function that fits Q and yields its progress."""

    scheme: Scheme
    fit: Callable[[FitTask], Iterator[Event]]
