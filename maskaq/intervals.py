"""95 % intervals in closed form, for pages that load neither torch nor scipy.

`maskaq.statistics` gives the same Wilson interval through scipy; a test holds the two together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from maskaq.errors import OptionError

_Z = 1.959963984540054  # 97.5 % point of the normal distribution
# 97.5 % points of Student's t for 1 to 6 degrees of freedom, where the expansion below is poor.
_FEW = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912)


class Interval(NamedTuple):
    """A value with its 95 % interval and the number of observations behind it."""

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int) -> Interval:
    """Share of `hits` among `n` with Wilson's score interval (Wilson 1927), in 0..1.

    Raises:
        OptionError: n is not positive or hits lies outside 0..n.

    >>> [round(number, 4) for number in wilson(45, 50)]
    [0.9, 0.7864, 0.9565, 50]
    """
    if n < 1 or not 0 <= hits <= n:
        raise OptionError(f"share of {hits} in {n}: need 0 <= hits <= n and n of at least 1.")
    share, spread = hits / n, _Z * _Z / n
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * math.sqrt(share * (1 - share) / n + spread / (4 * n))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half), n)


def paired(only_a: int, only_b: int, n: int) -> Interval:
    """Share of B minus share of A on the same `n` trials, with its 95 % interval, in -1..1.

    Normal approximation after half a count in each of the four cells (Agresti and Min, Statistics
    in Medicine 2005), which keeps its level also where few trials differ.

    Args:
        only_a, only_b: trials that one of the two alone gets right.

    Raises:
        OptionError: counts below 0, or more of them than trials.

    >>> [round(number, 4) for number in paired(10, 25, 500)]
    [0.03, 0.0066, 0.0532, 500]
    """
    if n < 1 or min(only_a, only_b) < 0 or only_a + only_b > n:
        raise OptionError(f"pairs are {only_a} and {only_b} of {n}: need counts of 0 to n.")
    a, b, total = only_a + 0.5, only_b + 0.5, n + 2
    middle = (b - a) / total
    half = _Z * math.sqrt((a + b) - (b - a) ** 2 / total) / total
    return Interval((only_b - only_a) / n, max(-1.0, middle - half), min(1.0, middle + half), n)


def student(values: Sequence[float]) -> Interval:
    """Mean of independent values with Student's interval; NaN bounds for fewer than two values."""
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = _t(n - 1) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)


def _t(freedom: int) -> float:
    """97.5 % point of Student's t by its expansion in 1 / freedom (Abramowitz, Stegun 26.7.5)."""
    if freedom <= len(_FEW):
        return _FEW[freedom - 1]
    z = _Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))
