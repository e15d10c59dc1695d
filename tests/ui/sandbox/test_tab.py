"""The sentence that says which rule errs least."""

import numpy as np
import pytest

from maskaq.figures.sandbox import candidates
from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference
from maskaq.ui.sandbox import tab


def test_a_clear_lead_comes_with_its_interval():
    values = reference.sample("weights", 4096, seed=0)
    rules = candidates(values, 4, True)[:2]
    minmax, mse = (level_list.apply(values, one) for one in rules)
    lead = level_list.gain(mse, minmax)
    sentence = tab.verdict(values, rules, sampled=True)
    assert lead.low > 0
    assert sentence == (
        f"**mse errs least**: {lead.value:.1f} dB ahead of minmax (95 % interval {lead.low:.1f} "
        f"to {lead.high:.1f}, n = 4,096)."
    )


def test_a_lead_that_may_be_chance_is_none():
    values = reference.sample("outliers", 4096, seed=0)
    sentence = tab.verdict(values, candidates(values, 4, True), sampled=True)
    assert sentence == "**lsq and mse err least**, and cannot be told apart (n = 4,096)."


def test_numbers_of_ones_own_are_all_there_are_so_a_lead_has_no_interval():
    values = np.array([0.1, 0.2, -0.4, 3], np.float32)
    sentence = tab.verdict(values, candidates(values, 3, True), sampled=False)
    assert "interval" not in sentence
    assert sentence.endswith("(n = 4).")


def test_rounding_without_an_error_is_called_exact():
    values = np.zeros(3, np.float32)
    sentence = tab.verdict(values, candidates(values, 4, True), sampled=False)
    assert sentence == "**minmax is exact** on these 3 numbers."


@pytest.mark.parametrize("seed", range(3))
def test_the_interval_of_a_lead_holds_in_other_samples(seed):
    """As a check of the formula: the lead in a large sample is inside, give or take its width."""
    small, large = (reference.sample("weights", n, seed) for n in (4096, 400_000))
    levels = candidates(small, 3, False)[:2]
    lead = level_list.gain(*(level_list.apply(small, one) for one in levels))
    truth = level_list.gain(*(level_list.apply(large, one) for one in levels))
    assert abs(truth.value - lead.value) < lead.high - lead.low
    assert truth.high - truth.low < 0.2 * (lead.high - lead.low)
