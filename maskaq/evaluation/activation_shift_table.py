"""Summaries of a table of activation shifts; needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

STATISTICS: Mapping[str, str] = {
    "range": "from the 0.1th to the 99.9th percentile of an image's values",
    "peak": "largest absolute value in an image",
    "kurtosis": "fourth central moment over the squared variance: 3 for a normal distribution, "
    "more with long tails",
    "entropy": "mean entropy of the softmax rows, in nats: 0 where a token attends to a single "
    "token, the logarithm of the number of tokens where it attends to all equally",
}
OUTSIDE = -1  # block number of tensors before the first and after the last block
COLUMNS = ("tensor", "role", "block", "statistic", "samples", "real", "ratio", "low", "high")


def factors(table: pd.DataFrame) -> dict[str, float]:
    """One factor per statistic of a table with `COLUMNS`: by how much tensors differ on average.

    The geometric mean over tensors of the ratio or its inverse, whichever is above 1, so that too
    large and too small do not cancel. 1 for identical sets; infinite if one set has a value of 0.
    """
    return {
        str(statistic): math.exp(_log_factor(rows["ratio"]).mean())
        for statistic, rows in table.dropna(subset="ratio").groupby("statistic", sort=False)
    }


def furthest(table: pd.DataFrame, statistic: str, count: int = 3) -> pd.DataFrame:
    """The `count` rows of a statistic whose ratio is furthest from 1, furthest first."""
    rows = table[table["statistic"] == statistic].dropna(subset="ratio")
    order = _log_factor(rows["ratio"]).sort_values(ascending=False, kind="stable").index
    return rows.loc[order[:count]]


def count_significant(table: pd.DataFrame, statistic: str) -> tuple[int, int]:
    """Number of tensors whose interval of the ratio excludes 1, and the number of tensors."""
    rows = table[table["statistic"] == statistic].dropna(subset="ratio")
    return int(((rows["low"] > 1) | (rows["high"] < 1)).sum()), len(rows)


def _log_factor(ratios: pd.Series[float]) -> pd.Series[float]:
    """|log ratio|."""
    return ratios.map(lambda ratio: abs(math.log(ratio)) if ratio > 0 else math.inf)
