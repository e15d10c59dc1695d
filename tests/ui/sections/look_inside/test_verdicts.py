"""Verdicts against tables whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from maskaq.intervals import Interval
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import overlap
from maskaq.ui.sections.look_inside import verdicts

MASK = np.arange(64) < 6


def row(value, spread=0.02):
    return pd.Series({"value": value, "low": value - spread, "high": value + spread})


def test_numbers_whose_intervals_overlap_cannot_be_told_apart():
    assert verdicts.higher(row(0.5), row(0.4)) is True
    assert verdicts.higher(row(0.4), row(0.5)) is False
    assert verdicts.higher(row(0.42), row(0.4)) is None


def test_looks_compares_with_an_even_spread():
    text = verdicts.looks("CLS", 0.3, MASK, Interval(0.38, 0.31, 0.44, 8))
    assert text == (
        "**30 % of the attention of CLS falls on the 6 informative patches**, 3.2 times as much as "
        "if it were spread evenly. Mean of 8 pictures: 38 % (95 % interval 31 to 44)."
    )
    one = verdicts.looks("patch 3", 0.3, np.arange(64) < 1, None)
    assert "the one informative patch**" in one
    assert "without an interval" in one


def overlaps(informative, random=0.3, spread=0.02):
    return pd.DataFrame(
        {
            "ratio": [0.1, 0.1],
            "measure": "precision",
            "mask": ["informative", "random"],
            "value": [100 * informative, 100 * random],
            "low": [100 * (informative - spread), 100 * (random - spread)],
            "high": [100 * (informative + spread), 100 * (random + spread)],
            "n": 1000,
        }
    )


@pytest.mark.parametrize(
    "precision, words",
    [(0.9, "Attention finds the object"), (0.1, "misses"), (0.31, "no better than chance")],
)
def test_finds_says_whether_attention_beats_chance(precision, words):
    here = overlap(MASK, np.arange(64) < 4)
    text = verdicts.finds(here, overlaps(precision), 0.1)
    assert words in text
    assert "4 of 6 informative patches lie on it here" in text
    assert f"{100 * precision:.0f} % (95 % interval" in text
    assert "1,000 scenes; of random patches 30 %" in text


def test_the_best_ratio_is_a_range_where_neighbours_cannot_be_told_apart():
    ratios = [0.1, 0.2, 0.3, 0.4]
    table = pd.DataFrame(
        {
            "ratio": ratios,
            "measure": "IoU",
            "mask": "informative",
            "value": [30.0, 60.0, 61.0, 40.0],
            "n": 1000,
        }
    )
    table = table.assign(low=table["value"] - 1, high=table["value"] + 1)
    assert "mask ratio of 20 to 30 %**: IoU 61 % (95 % interval 60 to 62)" in verdicts.best_ratio(
        table
    )


def distances(inside, outside, spread=0.001, n=1000):
    values = np.array([inside, outside])
    return pd.DataFrame(
        {
            "part": ["inside the mask", "outside the mask"],
            "value": values,
            "low": values - spread,
            "high": values + spread,
            "n": n,
            "patches": [6, 58],
        }
    )


@pytest.mark.parametrize(
    "inside, outside, words",
    [
        (0.01, 0.002, "Q differs from P more inside the region, at W3A3"),
        (0.002, 0.01, "Q differs from P less inside the region, at W3A3"),
        (0.002, 0.0025, "as far as can be told, at W3A3"),
    ],
)
def test_changes_compares_inside_with_outside(inside, outside, words):
    text = verdicts.changes(distances(inside, outside), "W3A3")
    assert words in text
    assert f"{inside / outside:.1f} times as much (n = 1,000 images)" in text


def test_changes_of_one_picture_claim_nothing_in_general():
    text = verdicts.changes(distances(0.01, 0.002, np.nan, 1), "W3A3")
    assert "**Q differs from P, at W3A3**: by 0.01000 per patch inside" in text
    assert "without an interval" in text
    every = distances(0.01, np.nan)
    assert "the region covers the whole picture" in verdicts.changes(every, "W3A3")


def entropies(**means):
    return pd.DataFrame(
        [
            {
                "kind": kind,
                "block": block,
                "gaussian": value,
                "gaussian_low": value - 0.1,
                "gaussian_high": value + 0.1,
                "n": 32,
            }
            for kind, values in means.items()
            for block, value in enumerate(values)
        ]
    )


def test_spread_names_the_widest_or_those_that_tie():
    table = entropies(scene=[-1.0, -0.5], noise=[-2.0, -1.0], synthetic=[-0.6, -0.45])
    clear, tied = (verdicts.spread(table, block) for block in (0, 1))
    assert "**In block 0 synthetic has the widest spread, by 0.40 nats**" in clear
    assert "noise -2.00 nats (-2.10 to -1.90); n = 32 images each" in clear
    assert "**In block 1 synthetic and scene cannot be told apart**" in tied
    every = verdicts.spread(table, None)
    assert "synthetic images are clearly the widest in 1 and noise is the narrowest in 2" in every
    assert "of 2 blocks" in every


def test_spread_of_the_real_table_can_be_said_for_every_block():
    table = showcase.entropies()
    for block in (None, *range(6)):
        assert "n = 32" in verdicts.spread(table, block)


def test_one_spread_mentions_the_region_only_where_it_is_known():
    assert verdicts.one_spread("Noise 0", 0.1, -0.9, None) == (
        "**Noise 0: the similarities vary by 0.10** (standard deviation), entropy -0.90 nats."
    )
    assert "of 0.80 on average, an informative one and another 0.60" in verdicts.one_spread(
        "Scene 0", 0.1, -0.9, (0.8, 0.6)
    )
