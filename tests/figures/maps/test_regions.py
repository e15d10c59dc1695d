import numpy as np
import pandas as pd
import pytest

from maskaq.figures.maps import regions
from maskaq.regions.numpy_masks import overlap
from tests.figures.conftest import GRID

SCENES = {"precision": (0.6, 0.58, 0.62), "recall": (0.4, 0.38, 0.43), "IoU": (0.3, 0.28, 0.33)}
RANDOM = {"precision": (0.2, 0.19, 0.21), "recall": (0.2, 0.19, 0.21), "IoU": (0.1, 0.09, 0.11)}


@pytest.fixture
def truth():
    foreground = np.zeros(16, bool)
    foreground[[5, 6, 10, 11]] = True
    return foreground


def outlines(figure):
    """The outlines in the legend."""
    return [trace for trace in figure.data if trace.type == "scatter" and trace.showlegend]


def test_the_overlay_darkens_the_rest_and_outlines_mask_and_foreground(image, mask, truth, sound):
    figure = sound(regions.overlay(image, mask, GRID, truth), units=False)
    shade = figure.data[1]
    assert shade.z.dtype == np.float32
    assert (np.isnan(shade.z).ravel() == mask).all()
    assert (shade.x0, shade.dx) == (0.5, 2)  # middle of the first patch of 2 pixels
    names = [trace.name for trace in outlines(figure)]
    assert names == ["informative: 3 of 16 patches", "true foreground: 4 patches"]
    assert {shape.line.dash for shape in figure.layout.shapes} == {None, "solid", "dot"}
    assert len(figure.layout.shapes) == 4


def test_without_a_foreground_there_is_one_outline(image, mask, truth):
    figure = regions.overlay(image, mask, GRID).figure
    assert len(figure.layout.shapes) == 2
    assert len(outlines(figure)) == 1
    chart = regions.overlay(image, mask, GRID, truth, outline_foreground=False)
    assert len(outlines(chart.figure)) == 1
    assert "true foreground" in chart.alt


def test_a_bright_picture_has_no_shade_but_a_cross_and_places_for_clicks(image, mask):
    figure = regions.overlay(image, mask, GRID, dim=False, query=6, height=300).figure
    assert not [trace for trace in figure.data if trace.type == "heatmap"]
    assert figure.layout.height == 300
    crosses = [shape for shape in figure.layout.shapes if "M3.9,1.9L5.1,3.1" in shape.path]
    assert len(crosses) == 2  # patch 6, row 1 and column 2, is at pixels 3.5 to 5.5, 1.5 to 3.5
    (places,) = [trace for trace in figure.data if trace.customdata is not None]
    assert [value for (value,) in places.customdata] == list(range(16))
    assert (places.x[6], places.y[6]) == (4.5, 2.5)
    assert places.hovertext[6] == "patch 6: row 1, column 2"


def test_the_table_and_the_sentence_describe_the_overlap(image, mask, truth):
    chart = regions.overlay(image, mask, GRID, truth, np.linspace(0, 1, 16))
    table = chart.table
    assert table.columns.tolist() == [
        *("patch", "row", "column", "informative", "foreground", "attention")
    ]
    assert table.loc[9, ["row", "column"]].tolist() == [2, 1]
    assert chart.alt.startswith("3 of 16 patches are informative")
    assert "2 of them are among the 4 patches of the true foreground" in chart.alt
    assert "foreground" not in regions.overlay(image, mask, GRID).alt


def test_overlap_shows_counts_intervals_and_chance(mask, truth, sound):
    table = regions.overlap_frame(overlap(mask, truth), SCENES, RANDOM, 1000)
    assert len(table) == 9
    chart = regions.overlap(table)
    figure = sound(chart)
    assert [trace.name for trace in figure.data] == [
        *("this scene", "mean of 1,000 scenes", "random masks, 1,000 scenes")
    ]
    here, mean, _ = figure.data
    assert list(here.x) == pytest.approx([100 * 2 / 3, 50, 40])
    assert list(here.text) == ["2 of 3 patches", "2 of 4 patches", "2 of 5 patches"]
    assert list(mean.error_x.array) == pytest.approx([2, 3, 3])
    assert list(mean.error_x.arrayminus) == pytest.approx([2, 2, 2])
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert "2 of 3 patches of the mask are on the foreground (67 %); they cover 50 %" in chart.alt
    assert "random masks, 1,000 scenes 20 %" in chart.alt


def test_overlap_of_one_scene_alone_has_no_interval(mask, truth):
    table = regions.overlap_frame(overlap(mask, truth))
    assert table["mask"].unique().tolist() == ["this scene"]
    assert table["low"].isna().all()
    assert regions.overlap(table).alt.endswith("of it.")


def test_ratios_mark_the_chosen_one_and_name_the_best(sound):
    table = pd.DataFrame(
        [
            (who, ratio, "IoU", best - 50 * abs(ratio - 0.2), 0.0, 90.0, 1000)
            for who, best in (("attention", 60), ("random", 30))
            for ratio in (0.1, 0.2, 0.5)
        ],
        columns=["mask", "ratio", "measure", "value", "low", "high", "n"],
    )
    chart = regions.ratios(table, 0.5)
    figure = sound(chart)
    assert figure.layout.shapes[0].x0 == 0.5
    (first, second) = [trace for trace in figure.data if trace.hovertext is not None]
    assert [value for (value,) in first.customdata] == [0.1, 0.2, 0.5]
    assert list(second.y) == list(figure.data[2].y)
    assert "1,000 scenes" in figure.layout.title.text
    assert "%" in figure.layout.yaxis.title.text
    assert "attention masks reach 60 % at ratio 0.2" in chart.alt
