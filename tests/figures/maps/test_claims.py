"""Charts about the two claims, from fake tables."""

import numpy as np
import pytest

from maskaq.figures.maps import attributions, deletion, information, region_quality
from tests.support import claims_tables


def test_maps_are_compared_with_chance_and_have_intervals(sound):
    rows = region_quality.frame(claims_tables.regions(), "scenes", "foreground", 0.3)
    assert list(dict.fromkeys(rows["who"])) == [
        "attention in P",
        *(f"attention in Q {bits}" for bits in ("W8A8", "W4A4", "W3A3", "W2A4")),
        "random map",
        "centre prior",
    ]
    assert len(rows) == 7 * 5  # each measure once, those of a mask at one ratio
    chart = region_quality.quality(rows, "Quality")
    figure = sound(chart, units=False)
    assert figure.layout.title.text == "Quality<br>n = 500 images"
    first = figure.data[0]
    assert list(first.x) == pytest.approx([70] * 5)
    assert list(first.error_x.array) == pytest.approx([2] * 5)
    assert chart.alt.startswith("Share of the mask that lies on the object: attention in P 70 %")


def test_heads_are_points_and_their_mean_is_a_line(sound):
    rows = region_quality.blocks_frame(claims_tables.regions(), "W4A4", "share", 0.3)
    chart = region_quality.blocks(rows, "W4A4", "share")
    mean, heads = sound(chart).data
    assert (list(mean.x), list(mean.y)) == ([0, 1], pytest.approx([10, 20]))
    assert list(heads.y) == pytest.approx([15, 20, 25, 25, 30, 35])
    assert list(heads.text) == [0, 1, 2, 0, 1, 2]
    assert "lines" not in heads.mode
    assert list(mean.error_y.array) == pytest.approx([2, 2])
    assert chart.alt == ("Highest in head 2 of block 1 (35 %), lowest in head 0 of block 0 (15 %).")


def test_every_measure_has_a_label_and_a_chart():
    table = claims_tables.regions()
    for measure in region_quality.LABELS:
        rows = region_quality.blocks_frame(table, "P", measure, 0.1)
        assert len(rows) == 2 * 4
        title = region_quality.blocks(rows, "P", measure).figure.layout.title.text
        assert title.lower().startswith(region_quality.LABELS[measure].lower())


def test_curves_have_a_line_per_order(sound):
    rows = deletion.frame(claims_tables.deletion(), "blur", "accuracy", "P")
    chart = deletion.curves(rows, "accuracy", "blur", "P")
    figure = sound(chart)
    assert [trace.name for trace in figure.data] == list(deletion.ORDERS.values())
    informative = figure.data[0]
    assert list(informative.x) == [0, 30, 100]
    assert list(informative.y) == pytest.approx([90, 10, 10])
    assert "n = 500 scenes" in figure.layout.title.text
    assert chart.alt.startswith(
        "P: With 30 % of the patches removed (top-1 accuracy, %): 10.0 with informative"
    )


def test_divergences_stay_in_bits(sound):
    rows = deletion.frame(claims_tables.deletion(), "blur", "apart", "W4A4")
    figure = sound(deletion.curves(rows, "apart", "blur", "W4A4"))
    assert figure.data[0].y[0] == pytest.approx(0.9)
    assert "bits" in figure.layout.yaxis.title.text


def test_areas_have_a_row_per_fill_and_model(sound):
    rows = deletion.areas_frame(claims_tables.deletion())
    assert len(rows) == 2 * 3 * 5
    chart = deletion.areas(rows)
    figure = sound(chart)
    assert figure.data[0].x[0] == pytest.approx(100 * 0.9 / 4)
    assert "22 % with informative patches first" in chart.alt


def test_lower_bounds_are_below_the_entropy(sound):
    rows = information.frame(claims_tables.information(), "blur", "W3A3")
    chart = information.bounds(rows, "blur", "W3A3")
    figure = sound(chart)
    lines = [trace for trace in figure.data if trace.name]
    assert [trace.name for trace in lines] == list(information.PATCHES.values())
    assert list(lines[0].y) == pytest.approx([0.6, 1.8, 3.0])
    (line,) = figure.layout.shapes
    assert line.y0 == pytest.approx(3.2)
    places = figure.data[1]  # a click on a point returns its ratio
    assert [value for (value,) in places.customdata] == pytest.approx([0.1, 0.3, 0.5])
    assert list(places.x) == pytest.approx([10, 30, 50])
    assert chart.alt == (
        "Lower bounds at a mask ratio of 30 %, in bits, of an entropy of 3.20: the informative "
        "patches 1.80, as many other patches 0.15, all other patches 0.45."
    )


def test_the_chosen_ratio_is_marked():
    rows = information.frame(claims_tables.information(), "blur", "P")
    chosen, entropy = information.bounds(rows, "blur", "P", 0.3).figure.layout.shapes
    assert chosen.x0 == chosen.x1 == 30
    assert entropy.y0 == entropy.y1


def test_methods_are_rows_and_models_columns(sound):
    table = claims_tables.attributions()
    for measure in attributions.MEASURES:
        rows = attributions.frame(table, measure)
        chart = attributions.heatmap(rows, measure)
        heat = sound(chart).data[0]
        assert (heat.zmin, heat.zmax) == (0.4, 1)
        assert list(heat.x[:2]) == ["P", "Q W8A8"]
        assert heat.z.shape == (7, 5)
        assert heat.z[0, 0] == pytest.approx(1)
    assert chart.alt.endswith("in P: from 0.40 (middle block) to 1.00 (attention).")


def test_every_map_has_its_own_scale_centred_on_zero_if_signed():
    methods = ["one", "two"]
    maps = {
        "P": np.array([[0, 1, 2, 3], [-4, 1, 0, 2]], float),
        "W4A4": np.array([[0, 0, 1, 0], [1, -1, 0, 0]], float),
    }
    chart = attributions.patch_maps(methods, maps, (2, 2), 3)
    crosses = [shape for shape in chart.figure.layout.shapes if "M0.7,0.7" in shape.path]
    assert {shape.xref for shape in crosses} == {"x", "x2", "x3", "x4"}
    places = [trace for trace in chart.figure.data if trace.customdata is not None]
    assert [trace.xaxis for trace in places] == ["x", "x2", "x3", "x4"]
    assert places[3].hovertext[1] == "W4A4, two<br>patch 1: row 0, column 1: -1"
    plain, signed, *_ = chart.figure.data
    assert (plain.zmin, plain.zmax) == (0, 3)
    assert (signed.zmin, signed.zmax) == (-4, 4)
    assert plain.z.tolist() == [[0, 1], [2, 3]]
    assert len(chart.table) == 2 * 2 * 4
    assert chart.alt == ("The patch with the largest weight in P, counted from 0: one 3, two 3.")
