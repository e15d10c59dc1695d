"""A quantizer as a list of levels, so that levels can be moved by hand; numpy only.

The grids of `numpy_reference` become such lists, and the sandbox page draws and applies them in the
browser in the same way.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maskaq.errors import OptionError
from maskaq.intervals import Interval
from maskaq.quantization.numpy_reference import Floats, Grid, Rounded

BY_HAND = "by hand"  # instead of the name of a rule
_LARGEST = 1e16  # absolute value of a level
_SLACK = 1e-6  # of the range: rounding errors of float32 do not clip the largest value
Doubles = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LevelList:
    """Levels, and which values go to each.

    rule: that has chosen them, or `BY_HAND`.
    levels: ascending [K]. codes: of the levels, int [K].
    edges: [K+1]; values between edges k and k+1 go to level k, values outside are clipped.
    """

    rule: str
    levels: Doubles
    codes: NDArray[np.int64]
    edges: Doubles

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return len(self.levels).bit_length() - 1


def of_grid(grid: Grid) -> LevelList:
    """The levels of a grid."""
    levels = grid.levels.astype(np.float64)
    if grid.even:
        edges = _midpoints(levels)
    else:  # halfway in octaves, down to the last code, which means the lowest level
        halves = 2.0 ** (-grid.step * (grid.codes[1:] + 0.5))  # [K-1]
        top = 2.0 ** (grid.step / 2)
        edges = np.array([0, *halves, top]) * grid.delta - grid.shift  # [K+1]
    slack = _SLACK * (edges[-1] - edges[0])
    edges[[0, -1]] += -slack, slack
    return LevelList(grid.rule, levels, grid.codes, edges)


def by_hand(levels: Sequence[float], edges: Sequence[float], like: LevelList) -> LevelList:
    """Levels that somebody has moved, with the codes of `like`.

    Raises:
        OptionError: not as many ascending, finite numbers as `like` has.
    """
    moved, borders = (np.asarray(each, np.float64) for each in (levels, edges))  # [K], [K+1]
    if (
        moved.shape != like.levels.shape
        or borders.shape != like.edges.shape
        or not (np.abs(np.concatenate([moved, borders])) <= _LARGEST).all()
        or (np.diff(moved) < 0).any()
        or (np.diff(borders) < 0).any()
    ):
        raise OptionError(
            f"levels by hand are {moved.size} numbers; allowed: {like.levels.size} ascending ones, "
            f"down to -{_LARGEST:g} and up to {_LARGEST:g}, and a border more."
        )
    return LevelList(BY_HAND, moved, like.codes, borders)


def apply(values: Floats, levels: LevelList) -> Rounded:
    """Round values [n] to the levels."""
    x = values.astype(np.float64)
    places = np.searchsorted(levels.edges[1:-1], x)  # [n]
    rounded = levels.levels[places]
    clipped = (x < levels.edges[0]) | (x > levels.edges[-1])
    error = (rounded - x) ** 2
    total, power = float(error.sum()), float((x**2).sum())
    return Rounded(
        values=values,
        codes=levels.codes[places],
        rounded=rounded.astype(np.float32),
        clipped=clipped,
        rounding_error=float(error[~clipped].sum()) / values.size,
        clipping_error=float(error[clipped].sum()) / values.size,
        sqnr_db=10 * math.log10(power / total) if total and power else math.inf,
    )


def gain(one: Rounded, other: Rounded) -> Interval:
    """SQNR of one minus that of the other on the same random values, in dB.

    The 95 % interval is that of the logarithm of the ratio of the mean squared errors, by the delta
    method.

    Raises:
        OptionError: one of them is exact.
    """
    squares = [(each.rounded.astype(np.float64) - each.values) ** 2 for each in (one, other)]
    means = [float(each.mean()) for each in squares]
    if not all(means):
        raise OptionError("the SQNR of exact values is infinite; compare others.")
    n = one.values.size
    ratios = squares[0] / means[0] - squares[1] / means[1]  # [n]
    half = 1.96 * 10 / math.log(10) * math.sqrt(float((ratios**2).sum())) / n
    value = 10 * math.log10(means[1] / means[0])
    return Interval(value, value - half, value + half, n)


def _midpoints(levels: Doubles) -> Doubles:
    """Edges halfway between levels [K], and half a gap beyond the first and the last: [K+1]."""
    gaps = np.diff(levels)  # [K-1]
    ends = levels[0] - gaps[0] / 2, levels[-1] + gaps[-1] / 2
    return np.array([ends[0], *(levels[:-1] + gaps / 2), ends[1]])
