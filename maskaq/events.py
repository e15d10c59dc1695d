"""What a run reports while it works: the only channel of progress in the library."""

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
    step, total: steps done and to be done in this stage, 1-based, so step == total is its end.
    metrics: scalars, such as the terms of the loss; empty where nothing new was measured.
    images: uint8 [n,3,S,S], at times, the samples as they are now.
    problem: what went wrong without ending the run (an image that turned NaN), else "".
    """

    stage: str
    step: int
    total: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    images: Tensor | None = None
    problem: str = ""
