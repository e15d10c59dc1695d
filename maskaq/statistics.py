"""Intervals that go with every share this library reports."""

from __future__ import annotations

from typing import NamedTuple

from scipy.stats import binomtest

from maskaq.errors import OptionError


class Share(NamedTuple):
    """A share of n trials with its 95 % interval, all in 0..1."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:.2%} [{self.low:.2%}, {self.high:.2%}], n = {self.n}"


def share(hits: int, n: int) -> Share:
    """Share of `hits` among `n` with Wilson's 95 % score interval (Wilson 1927).

    Raises:
        OptionError: n is not positive or hits lies outside 0..n.

    >>> print(share(45, 50))
    90.00% [78.64%, 95.65%], n = 50
    """
    if n < 1 or not 0 <= hits <= n:
        raise OptionError(f"share of {hits} in {n}: need 0 <= hits <= n and n of at least 1.")
    interval = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    return Share(hits / n, float(interval.low), float(interval.high), n)
