import numpy as np
import pytest

from maskaq.figures.maps import attention
from tests.figures.conftest import GRID


def test_all_heads_share_one_scale_and_the_chosen_one_is_framed(rows, mask, sound):
    figure = sound(attention.heads(rows, GRID, mask, 1), units=False)
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.coloraxis for trace in maps] == ["coloraxis"] * 3
    assert all(trace.z.dtype == np.float32 for trace in maps)
    np.testing.assert_array_equal(maps[1].z.ravel(), rows[1])
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0, rows.max())
    names = [note.text for note in figure.layout.annotations]
    assert names == ["head 0", "<b>head 1, chosen</b>", "head 2"]
    (box,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert box.xref == "x2 domain"
    assert "3 heads, 16 patches" in figure.layout.title.text


def test_no_chosen_head_means_no_frame(rows, mask):
    figure = attention.heads(rows, GRID, mask, None).figure
    assert not [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert len(figure.layout.shapes) == 2 * 3


def test_the_query_patch_has_a_cross_in_every_map(rows, mask):
    figure = attention.heads(rows, GRID, mask, None, query=6).figure  # row 1, column 2
    crosses = [shape for shape in figure.layout.shapes if "M1.7,0.7L2.3,1.3" in str(shape.path)]
    assert [shape.xref for shape in crosses[::2]] == ["x", "x2", "x3"]
    pair = attention.difference(rows[0], rows[1], GRID, mask, query=6).figure
    crosses = [shape for shape in pair.layout.shapes if "M1.7,0.7L2.3,1.3" in str(shape.path)]
    assert [shape.xref for shape in crosses[::2]] == ["x", "x2", "x3"]


def test_every_patch_of_every_map_can_be_clicked(rows, mask):
    for figure, words in (
        (attention.heads(rows, GRID, mask, None).figure, "head 1, patch 6: row 1, column 2"),
        (attention.difference(rows[0], rows[1], GRID, mask).figure, "P 0.0500, Q 0.2000"),
    ):
        places = [trace for trace in figure.data if trace.customdata is not None]
        assert [trace.xaxis for trace in places] == ["x", "x2", "x3"]
        for trace in places:
            assert [value for (value,) in trace.customdata] == list(range(16))
            assert (trace.x[6], trace.y[6]) == (2, 1)
        assert words in places[1].hovertext[6]


def test_too_many_patches_are_drawn_without_places_for_clicks(mask):
    many = np.full((12, 400), 0.01, np.float32)
    figure = attention.heads(many, (20, 20), np.arange(400) < 9, None).figure
    assert not [trace for trace in figure.data if trace.customdata is not None]


@pytest.mark.parametrize("count", [1, 2, 5, 6, 12])
def test_any_number_of_heads_fits(count, mask):
    figure = attention.heads(np.ones((count, 16), np.float32), GRID, mask, 0).figure
    assert len([trace for trace in figure.data if trace.type == "heatmap"]) == count


def test_the_sentence_names_the_head_that_looks_most_at_the_mask(rows, mask):
    chart = attention.heads(rows, GRID, mask, None)
    assert len(chart.table) == 3 * 16
    assert chart.table["attention"].dtype == np.float32
    assert f"most in head 1 ({0.6 / 1.25:.0%})" in chart.alt
    assert "19% of all patches" in chart.alt


def test_an_empty_mask_gets_no_attention(rows):
    alt = attention.heads(rows, GRID, np.zeros(16, bool), None).alt
    assert "On average 0% of the attention" in alt


def test_the_difference_has_its_own_scale_centred_on_zero(rows, mask, sound):
    p, q = rows[0], rows[1]
    chart = attention.difference(p, q, GRID, mask)
    figure = sound(chart, units=False)
    first, second, third = (trace for trace in figure.data if trace.type == "heatmap")
    assert first.coloraxis == second.coloraxis != third.coloraxis
    np.testing.assert_allclose(third.z.ravel(), p - q)
    scale = figure.layout.coloraxis2
    assert scale.cmin == -scale.cmax == pytest.approx(-0.15)
    assert len(figure.layout.shapes) == 2 * 3
    assert "0.1500 per patch inside the informative region and 0.0000 outside" in chart.alt
    assert "inside it at row 1, column 1" in chart.alt


def test_equal_maps_can_be_shown(rows, mask):
    figure = attention.difference(rows[0], rows[0], GRID, mask).figure
    assert figure.layout.coloraxis2.cmax > 0


def test_inside_and_outside_come_with_interval_and_count(rows, mask, sound):
    pairs = [(rows[0], rows[1] * share, mask) for share in (1, 0.9, 0.8)]
    table = attention.inside_outside_frame(pairs)
    assert table["part"].tolist() == ["inside the mask", "outside the mask"]
    assert table["value"].iloc[0] == pytest.approx(0.05 + (0.1 + 0.08 + 0.06) / 3 - 0.05 + 0.05)
    assert table["n"].tolist() == [3, 3]
    assert table["patches"].tolist() == [3, 13]
    chart = attention.inside_outside(table)
    figure = sound(chart)
    assert figure.data[0].error_x.array[0] > 0
    assert "3 images, with 95 % intervals" in figure.layout.title.text
    assert "a ratio of" in chart.alt


def test_one_image_has_no_interval(rows, mask):
    table = attention.inside_outside_frame([(rows[0], rows[1], mask)])
    assert table[["low", "high"]].isna().all(axis=None)
    assert (
        "1 image, without an interval" in attention.inside_outside(table).figure.layout.title.text
    )


def test_a_mask_of_all_patches_has_no_outside(rows):
    every = np.ones(16, bool)
    alt = attention.difference(rows[0], rows[1], GRID, every).alt
    assert "inside the informative region, which covers all patches; the largest" in alt
    table = attention.inside_outside_frame([(rows[0], rows[1], every)] * 2)
    assert table["n"].tolist() == [2, 0]
    chart = attention.inside_outside(table)
    assert "inside the mask (n = 2 images)" in chart.alt
    assert len(chart.figure.data) == 2
