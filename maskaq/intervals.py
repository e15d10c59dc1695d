"""95 % confidence intervals in closed form, for code that loads neither torch nor scipy.

Every share and mean that maskaq reports comes with one; tests compare them with scipy.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from maskaq.errors import OptionError

_Z = 1.959963984540054  # 97.5 % point of the normal distribution
# 97.5 % points of Student's t for 1 to 6 degrees of freedom, where the expansion in `_t` is poor.
_SMALL = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912)


class Interval(NamedTuple):
    """An estimate, its 95 % confidence interval, and the number of observations behind it."""

    value: float
    low: float
    high: float
    n: int


def as_percent(share: Interval) -> str:
    """A share in 0..1 as text, with its interval and sample size.

    >>> as_percent(wilson(45, 50))
    '90.00% [78.64%, 95.65%], n = 50'
    """
    return f"{share.value:.2%} [{share.low:.2%}, {share.high:.2%}], n = {share.n}"


def wilson(hits: int, n: int) -> Interval:
    """The share `hits / n` with Wilson's score interval (Wilson 1927), in 0..1.

    Raises:
        OptionError: n is not positive or hits is outside 0..n.

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
    """Accuracy of B minus accuracy of A on the same `n` trials, with its interval, in -1..1.

    A normal approximation after adding half a count to each of the four cells (Agresti and Min,
    Statistics in Medicine 2005), which keeps its coverage where few trials differ.

    Args:
        only_a, only_b: number of trials that only A, or only B, gets right.
        n: number of trials.

    Raises:
        OptionError: a count is negative, or the counts exceed n.

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
    """Mean of independent values with Student's interval; the bounds are NaN below two values."""
    n = len(values)
    mean = math.fsum(values) / n if n else math.nan
    if n < 2:
        return Interval(mean, math.nan, math.nan, n)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    half = _t(n - 1) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)


def _t(freedom: int) -> float:
    """97.5 % point of Student's t by its expansion in 1 / freedom (Abramowitz, Stegun 26.7.5)."""
    if freedom <= len(_SMALL):
        return _SMALL[freedom - 1]
    z = _Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / float(freedom) ** power for power, term in enumerate(terms))
