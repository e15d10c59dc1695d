"""The outcome of a run, before it is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from maskaq.results.artifacts import Evidence
    from maskaq.results.result import RunResult
    from maskaq.synthesis.loop import Samples


@dataclass(frozen=True, eq=False)
class Finished:
    """The outcome of a run.

    curves: one row per event with metrics. q: the fitted Q. evidence: predictions and images for
    figures. log: lines of text.
    """

    result: RunResult
    samples: Samples
    curves: pd.DataFrame
    q: nn.Module
    evidence: Evidence
    log: Sequence[str] = ()
