"""How far two sets of activation statistics are apart, as plain data, readable without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

__all__ = ["COLUMNS", "OUTSIDE", "STATISTICS", "count_significant", "factors", "furthest"]

STATISTICS: Mapping[str, str] = MappingProxyType(
    {
        "range": "from the 0.1th to the 99.9th percentile of an image's values",
        "peak": "largest absolute value in an image",
        "kurtosis": "fourth central moment over the squared variance: 3 for a normal distribution, "
        "more with long tails",
        "entropy": "mean entropy of the softmax rows, in nats: 0 where a token looks at one other, "
        "the logarithm of the number of tokens where it looks at all alike",
    }
)
OUTSIDE = -1  # in place of a block's number, before the first and behind the last block
COLUMNS = ("tensor", "role", "block", "statistic", "samples", "real", "ratio", "low", "high")


def factors(table: pd.DataFrame) -> dict[str, float]:
    """One number per statistic of a table with `COLUMNS`: the factor by which a tensor is off.

    The geometric mean over tensors of the ratio or its inverse, whichever is above 1, so that too
    large and too small do not cancel. 1 for identical sets; infinite if one set has a value of 0.
    """
    return {
        str(statistic): math.exp(_away(rows["ratio"]).mean())
        for statistic, rows in table.dropna(subset="ratio").groupby("statistic", sort=False)
    }


def furthest(table: pd.DataFrame, statistic: str, count: int = 3) -> pd.DataFrame:
    """The rows of a statistic whose ratio is furthest from 1, furthest first."""
    rows = table[table["statistic"] == statistic].dropna(subset="ratio")
    order = _away(rows["ratio"]).sort_values(ascending=False, kind="stable").index
    return rows.loc[order[:count]]


def count_significant(table: pd.DataFrame, statistic: str) -> tuple[int, int]:
    """In how many tensors the interval of the ratio leaves 1 out, and of how many."""
    rows = table[table["statistic"] == statistic].dropna(subset="ratio")
    return int(((rows["low"] > 1) | (rows["high"] < 1)).sum()), len(rows)


def _away(ratios: pd.Series[float]) -> pd.Series[float]:
    """|log ratio|."""
    return ratios.map(lambda ratio: abs(math.log(ratio)) if ratio > 0 else math.inf)
