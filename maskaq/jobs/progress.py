"""Where a run stands: the one line that every view of it draws."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Steps done of one stage, and the seconds that they took.

    >>> Progress("fit", 2, 8, seconds=4.0).left
    12.0
    """

    stage: str = ""
    step: int = 0
    total: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """Share of the stage that is done, 0..1."""
        return min(self.step / self.total, 1.0) if self.total else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end of the stage at its pace so far; None before its first step."""
        return self.seconds / self.step * (self.total - self.step) if self.step else None
