from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from maskaq.errors import OptionError
from maskaq.intervals import student, wilson
from maskaq.statistics import share


@pytest.mark.parametrize("hits, n", [(0, 1), (1, 1), (0, 50), (45, 50), (281, 5000), (5000, 5000)])
def test_wilson_is_the_interval_of_the_reports(hits, n):
    assert wilson(hits, n) == pytest.approx(share(hits, n), abs=1e-12)


@pytest.mark.parametrize("hits, n", [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_senseless_counts(hits, n):
    with pytest.raises(OptionError, match=f"share of {hits} in {n}"):
        wilson(hits, n)


@pytest.mark.parametrize("n", [2, 3, 5, 6, 8, 30, 1000])
def test_student_agrees_with_scipy(n):
    values = np.random.default_rng(n).normal(3, 2, n)
    found = student(values.tolist())
    expected = stats.t.interval(0.95, n - 1, values.mean(), values.std(ddof=1) / math.sqrt(n))
    assert (found.low, found.high) == pytest.approx(expected, rel=2e-3)
    assert (found.value, found.n) == (pytest.approx(values.mean()), n)


@pytest.mark.parametrize("values", [[], [2.0]])
def test_student_of_too_few_values_has_no_bounds(values):
    found = student(values)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert found.n == len(values)
