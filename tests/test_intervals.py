"""Confidence intervals, against scipy and against formulas written out."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from maskaq.errors import OptionError
from maskaq.intervals import as_percent, paired, student, wilson


@pytest.mark.parametrize("hits, n", [(0, 1), (1, 1), (0, 50), (45, 50), (281, 5000), (5000, 5000)])
def test_wilson_agrees_with_scipy(hits, n):
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx(expected, abs=1e-12)
    assert (found.value, found.n) == (hits / n, n)


@given(st.data())
def test_wilson_contains_the_share_and_is_symmetric(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 100_000))
    hits = data.draw(st.integers(0, n))
    found = wilson(hits, n)
    assert 0 <= found.low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= found.high <= 1
    assert wilson(n - hits, n).high == pytest.approx(1 - found.low)


@pytest.mark.parametrize("hits, n", [(0, 0), (1, 0), (0, -3), (-1, 5), (6, 5)])
def test_wilson_refuses_impossible_counts(hits, n):
    with pytest.raises(OptionError, match=rf"share of {hits} in {n}: need 0 <= hits <= n"):
        wilson(hits, n)


def test_a_share_prints_with_its_sample_size() -> None:
    assert as_percent(wilson(45, 50)) == "90.00% [78.64%, 95.65%], n = 50"


@pytest.mark.parametrize("counts", [(-1, 0, 5), (0, -1, 5), (3, 3, 5), (0, 0, 0)])
def test_paired_refuses_impossible_counts(counts):
    with pytest.raises(OptionError, match=f"pairs are {counts[0]} and {counts[1]} of {counts[2]}"):
        paired(*counts)


def test_paired_changes_sign_when_the_models_are_swapped():
    there, back = paired(10, 25, 500), paired(25, 10, 500)
    assert (there.value, there.low, there.high) == pytest.approx(
        (-back.value, -back.high, -back.low)
    )


@pytest.mark.parametrize("n", [2, 3, 5, 6, 8, 30, 1000])
def test_student_agrees_with_scipy(n):
    values = np.random.default_rng(n).normal(3, 2, n)
    found = student(values.tolist())
    expected = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / math.sqrt(n))
    assert (found.low, found.high) == pytest.approx(expected, rel=2e-3)
    assert (found.value, found.n) == (pytest.approx(values.mean()), n)


@pytest.mark.parametrize("values", [[], [2.0]])
def test_student_has_no_bounds_below_two_values(values):
    found = student(values)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.n == len(values)
