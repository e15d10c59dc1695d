"""Shares and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskaq.errors import OptionError
from maskaq.statistics import share


@given(st.data())
def test_the_interval_is_wilsons(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 100_000))
    hits = data.draw(st.integers(0, n))
    z, p = 1.959963984540054, hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    got = share(hits, n)
    assert got.value == p
    assert got.n == n
    assert got.low == pytest.approx(max(0.0, centre - half), abs=1e-9)
    assert got.high == pytest.approx(min(1.0, centre + half), abs=1e-9)
    assert 0 <= got.low <= p + 1e-12
    assert p - 1e-12 <= got.high <= 1
    assert share(n - hits, n).high == pytest.approx(1 - got.low)


def test_it_prints_with_its_sample_size() -> None:
    assert str(share(45, 50)) == "90.00% [78.64%, 95.65%], n = 50"


@pytest.mark.parametrize("hits, n", [(0, 0), (-1, 5), (6, 5), (0, -3)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(OptionError, match=rf"share of {hits} in {n}: need 0 <= hits <= n"):
        share(hits, n)
