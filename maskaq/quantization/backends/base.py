"""What a back-end is: a scheme of quantizers and a way to fit them to samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from torch import Tensor, nn

from maskaq.checkpoints import NOWHERE, Checkpoints
from maskaq.config import FitOptions, QuantOptions
from maskaq.events import Event
from maskaq.quantization.conversion.convert import Scheme
from maskaq.registry import Registry


@dataclass(frozen=True)
class FitTask:
    """All a back-end may use: P, Q, the samples, and a way to ask for fresher ones.

    p: full precision, frozen. q: freshly converted, fitted in place. images: uint8 [N,3,S,S], kept
    so until used. inputs: makes of them what the models take, on their device. prefix: tokens
    before the patches. precision: of passes that train. redraw: given the current Q, yields events
    while it draws refreshed samples, and last those, uint8 [N,3,S,S]; None if the source cannot.
    checkpoints: where a back-end that takes long leaves its state, and goes on from it. formats:
    what Q was converted to.
    """

    p: nn.Module
    q: nn.Module
    images: Tensor
    inputs: Callable[[Tensor], Tensor]
    prefix: int
    options: FitOptions
    seed: int
    precision: str = "float32"
    redraw: Callable[[nn.Module], Iterator[Event | Tensor]] | None = None
    checkpoints: Checkpoints = NOWHERE
    formats: QuantOptions = field(default_factory=QuantOptions)


@dataclass(frozen=True)
class Backend:
    """A scheme, the function that fits it, and one line for menus."""

    scheme: Scheme
    fit: Callable[[FitTask], Iterator[Event]]
    description: str


BACKENDS: Registry[Backend] = Registry("back-end")


def add_backend(
    name: str, scheme: Scheme, description: str
) -> Callable[[Callable[[FitTask], Iterator[Event]]], Callable[[FitTask], Iterator[Event]]]:
    """Decorator that registers a fit function as a back-end; may be stacked."""

    def add(fit: Callable[[FitTask], Iterator[Event]]) -> Callable[[FitTask], Iterator[Event]]:
        BACKENDS.register(name)(Backend(scheme, fit, description))
        return fit

    return add
