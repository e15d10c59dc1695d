"""Verdicts on the claims against tables whose truth is known."""

import pytest

from maskaq.figures.maps import answers, attributions, information, region_quality
from maskaq.ui.sections.look_inside import claim_verdicts as verdicts
from tests.support import claims_tables


def quality(attention, centre=0.5):
    table = claims_tables.regions()
    table.loc[table["map"] == "attention", ["value", "low", "high"]] += attention - 0.7
    table.loc[table["map"] == "centre", ["value", "low", "high"]] += centre - 0.5
    return region_quality.frame(table, "scenes", "foreground", 0.3)


@pytest.mark.parametrize(
    "attention, word", [(0.7, "holds"), (0.4, "fails"), (0.51, "cannot be told")]
)
def test_the_first_claim_must_beat_chance_and_the_centre(attention, word):
    text = verdicts.regions(quality(attention), 0.3)
    assert f"**At 30 % the first claim {word}**" in text
    assert "25 % for the random map and 50 % for the centre prior; n = 500" in text


def test_the_stand_in_is_compared_with_chance():
    rows = region_quality.frame(claims_tables.regions(), "synthetic", "occlusion", 0.3)
    text = verdicts.stand_in(rows)
    assert "**In synthetic images 70 % (95 % interval 68 to 72)" in text
    assert "more than by chance (25 %)" in text


def test_removal_uses_the_nearest_share_and_names_it():
    table = claims_tables.deletion()
    text = verdicts.removal(table, "blur", 0.35)
    assert "**With 30 % of the patches removed, the first claim holds**: P is right on 10 %" in text
    assert "on 45 % (43 to 47) in random order, and on 66 % (64 to 68) if they go last" in text
    swapped = table.replace({"order": {"informative": "other", "other": "informative"}})
    assert "the first claim fails" in verdicts.removal(swapped, "blur", 0.3)
    assert "cannot be told" in verdicts.removal(table, "blur", 0.0)


@pytest.mark.parametrize(
    "informative, word", [(3.0, "holds"), (0.1, "fails"), (0.43, "cannot be told")]
)
def test_the_second_claim_compares_with_all_others(informative, word):
    table = claims_tables.information()
    rows = information.frame(table, "blur", "W3A3")
    ours = rows["patches"] == "informative"
    for name, shift in (("value", 0), ("low", -0.02), ("high", 0.02)):
        rows.loc[ours, name] = informative + shift
    text = verdicts.information(rows, "W3A3", 0.3)
    assert f"**At 30 % the second claim {word} for Q W3A3**" in text
    assert "all others 0.45 bits (0.43 to 0.47); n = 500 scenes" in text


def test_nothing_is_said_for_a_ratio_that_is_not_stored():
    rows = information.frame(claims_tables.information(), "blur", "P")
    assert verdicts.information(rows, "P", 0.2) is None
    assert verdicts.patch_for_patch(rows, 0.2) == ""
    assert "carry more than as many others (0.15 bits" in verdicts.patch_for_patch(rows, 0.3)


def test_moved_says_what_each_model_answers_now():
    table = answers.frame(["Coat", "Bag"], {"P": [[0.9, 0.1], [0.2, 0.8]], "Q W3A3": [[1, 0]] * 2})
    assert verdicts.moved(table, 3) == (
        "**3 patches are gone**: P now answers Bag instead of Coat (90 % before, 80 % now); "
        "Q W3A3 still answers Coat (100 % before, 100 % now)."
    )


def test_heads_names_best_and_worst():
    rows = region_quality.blocks_frame(claims_tables.regions(), "P", "share", 0.3)
    text = verdicts.heads(rows)
    assert "**Best is head 2 of block 1** with 35 % (95 % interval 33 to 37)" in text
    assert "worst head 0 of block 0 with 15 % (13 to 17); n = 500 scenes" in text


def test_agreement_names_the_first_and_the_last_method_but_attention():
    measure = "rank correlation with attention"
    table = claims_tables.attributions()
    rows = attributions.frame(table[table["model"].isin(["P", "W4A4"])], measure)
    text = verdicts.agreement(rows, measure)
    start = "**Rank correlation with P's attention**: in P rollout is the highest, 0.90 (95 %"
    assert text.startswith(start)
    assert "in Q W4A4 rollout is the highest" in text
    assert "middle block the lowest, 0.40 (0.38 to 0.42)" in text
