"""What every figure function returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure with everything needed to show it, to describe it and to save it.

    Attributes:
        figure: the Plotly figure.
        table: the numbers behind the figure.
        alt: what the figure shows, in one sentence, for readers who cannot see it.
        name: a slug such as `accuracy`, the base of file names.
    """

    figure: go.Figure
    table: pd.DataFrame
    alt: str
    name: str

    def with_suffix(self, suffix: str) -> Chart:
        """The same chart with `-suffix` appended to its name."""
        return replace(self, name=f"{self.name}-{suffix}")
