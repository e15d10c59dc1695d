"""Figures about the two claims, from made-up tables."""

from __future__ import annotations

import numpy as np
import pytest

from maskaq.figures.maps import attributions, deletion, information, region_quality
from tests.support import claims_tables


def test_maps_stand_beside_chance_with_intervals(sound):
    rows = region_quality.frame(claims_tables.regions(), "scenes", "foreground", 0.3)
    assert list(dict.fromkeys(rows["who"])) == [
        "attention in P",
        *(f"attention in Q {bits}" for bits in ("W8A8", "W4A4", "W3A3", "W2A4")),
        "random map",
        "centre prior",
    ]
    assert len(rows) == 7 * 5  # each measure once, those of a mask at one ratio
    figure = sound(region_quality.quality(rows, "Quality"), units=False)
    assert figure.layout.title.text == "Quality, n = 500 images"
    first = figure.data[0]
    assert list(first.x) == pytest.approx([70] * 5)
    assert list(first.error_x.array) == pytest.approx([2] * 5)
    assert region_quality.describe(rows).startswith(
        "Share of the mask that lies on the object: attention in P 70 %"
    )


def test_heads_are_dots_and_their_mean_a_line_over_the_blocks(sound):
    rows = region_quality.blocks_frame(claims_tables.regions(), "W4A4", "share", 0.3)
    mean, heads = sound(region_quality.blocks(rows, "W4A4", "share")).data
    assert (list(mean.x), list(mean.y)) == ([0, 1], pytest.approx([10, 20]))
    assert list(heads.y) == pytest.approx([15, 20, 25, 25, 30, 35])
    assert list(heads.text) == [0, 1, 2, 0, 1, 2]
    assert "lines" not in heads.mode
    assert list(mean.error_y.array) == pytest.approx([2, 2])
    assert region_quality.describe_blocks(rows) == (
        "Highest in head 2 of block 1 (35 %), lowest in head 0 of block 0 (15 %)."
    )


def test_every_measure_has_words_and_a_map():
    table = claims_tables.regions()
    for measure in region_quality.WORDS:
        rows = region_quality.blocks_frame(table, "P", measure, 0.1)
        assert len(rows) == 2 * 4
        title = region_quality.blocks(rows, "P", measure).layout.title.text
        assert title.lower().startswith(region_quality.WORDS[measure].lower())


def test_curves_have_a_line_per_order(sound):
    rows = deletion.frame(claims_tables.deletion(), "blur", "accuracy", "P")
    figure = sound(deletion.curves(rows, "accuracy", "blur", "P"))
    assert [trace.name for trace in figure.data] == list(deletion.ORDERS.values())
    informative = figure.data[0]
    assert list(informative.x) == [0, 30, 100]
    assert list(informative.y) == pytest.approx([90, 10, 10])
    assert "n = 500 scenes" in figure.layout.title.text
    said = deletion.describe(rows, "accuracy")
    assert said.startswith("With 30 % of the patches away (top-1 accuracy, %): 10.0 with inf")


def test_divergences_stay_in_bits(sound):
    rows = deletion.frame(claims_tables.deletion(), "blur", "apart", "W4A4")
    figure = sound(deletion.curves(rows, "apart", "blur", "W4A4"))
    assert figure.data[0].y[0] == pytest.approx(0.9)
    assert "bits" in figure.layout.yaxis.title.text


def test_areas_stand_by_filling_and_model(sound):
    rows = deletion.areas_frame(claims_tables.deletion())
    assert len(rows) == 2 * 3 * 5
    figure = sound(deletion.areas(rows))
    assert figure.data[0].x[0] == pytest.approx(100 * 0.9 / 4)
    assert "22 % with informative patches first" in deletion.describe_areas(rows)


def test_bits_stand_below_all_there_is(sound):
    rows = information.frame(claims_tables.information(), "blur", "W3A3")
    figure = sound(information.bounds(rows, "blur", "W3A3"))
    assert [trace.name for trace in figure.data] == list(information.PATCHES.values())
    assert list(figure.data[0].y) == pytest.approx([0.6, 1.8, 3.0])
    (line,) = figure.layout.shapes
    assert line.y0 == pytest.approx(3.2)
    assert information.describe(rows) == (
        "At a mask ratio of 30 %, of 3.20 bits at least: the informative patches 1.80, as many "
        "others 0.15, all others together 0.45 bits."
    )


def test_methods_stand_against_models(sound):
    table = claims_tables.attributions()
    for measure in attributions.MEASURES:
        rows = attributions.frame(table, measure)
        (heat,) = sound(attributions.compared(rows, measure)).data
        assert heat.z.shape == (7, 5)
        assert heat.z[0, 0] == pytest.approx(1)
    assert attributions.describe(rows, "share").endswith(
        "in P: from 0.40 (middle block) to 1.00 (attention)."
    )


def test_maps_are_drawn_on_their_own_scale_and_signed_ones_around_0():
    methods = ["one", "two"]
    maps = {
        "P": np.array([[0, 1, 2, 3], [-4, 1, 0, 2]], float),
        "W4A4": np.array([[0, 0, 1, 0], [1, -1, 0, 0]], float),
    }
    figure = attributions.pictured(methods, maps, (2, 2))
    plain, signed, *_ = figure.data
    assert (plain.zmin, plain.zmax) == (0, 3)
    assert (signed.zmin, signed.zmax) == (-4, 4)
    assert plain.z.tolist() == [[0, 1], [2, 3]]
    table = attributions.maps_frame(methods, maps)
    assert len(table) == 2 * 2 * 4
    assert attributions.describe_maps(table) == (
        "The patch of largest weight in P, counted from 0: one 3, two 3."
    )
