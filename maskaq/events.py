"""Progress events of a run, the only way that the library reports progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Event:
    """One step of one stage.

    stage: `"load"`, `"synthesis"`, `"fit"` or `"evaluation"`.
    step, total: steps done in this stage, counted from 1, and all of its steps.
    metrics: scalars, such as the terms of the loss; empty if there are no new ones.
    images: uint8 [n,3,S,S], the current images, in some events only.
    problem: what went wrong without ending the run (an image that turned NaN), else "".
    notes: what was decided about the model and its images, or left out; in the first event only.
    """

    stage: str
    step: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    images: Tensor | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()
