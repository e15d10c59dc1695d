import numpy as np
import pandas as pd
import pytest

from maskaq.evaluation.activation_shift_table import COLUMNS
from maskaq.figures.results import activation_shift
from maskaq.results.activation_shift import Diagnosis

ROWS = [
    ("patch_embed.proj.input", "image", -1, "range", 1.0, 1.0, 1.0, 0.9, 1.1),
    ("blocks.0.attn.operands.softmax", "softmax", 0, "range", 1.0, 4.0, 0.25, 0.2, 0.3),
    ("blocks.0.attn.operands.softmax", "softmax", 0, "entropy", 2.0, 1.0, 2.0, 1.9, 2.1),
    ("blocks.1.mlp.fc2.input", "gelu", 1, "range", 2.0, 1.0, 2.0, 0.9, 4.0),
]


@pytest.fixture
def diagnosis():
    table = pd.DataFrame(ROWS, columns=list(COLUMNS))
    return Diagnosis(table, 32, 256, "scenes", "", "", "")


def test_the_overview_has_a_point_per_run_and_statistic(diagnosis, sound):
    chart = activation_shift.overview({"one": diagnosis, "two": diagnosis})
    table = chart.table
    assert len(table) == 4
    assert table.loc[0, "factor"] == pytest.approx(2)  # 1, 4 and 2 in the geometric mean
    assert tuple(table.loc[0, ["sure", "tensors", "samples", "real"]]) == (1, 3, 32, 256)
    figure = sound(chart)
    assert [trace.name for trace in figure.data] == ["range", "entropy"]
    assert list(figure.layout.yaxis.ticktext) == ["one", "two"]
    assert [round(y) for y in figure.data[0].y] == [0, 1]
    assert figure.data[0].y[0] != figure.data[1].y[0]  # so that they do not hide each other
    assert list(figure.data[0].customdata[:, 0]) == ["one", "two"]  # what a click returns
    assert chart.alt == (
        "The ranges of one are off by a factor of 2.00 on average (the interval excludes 1 in 1 of "
        "3 tensors), those of two by 2.00 (1 of 3)."
    )
    assert activation_shift.overview({}).alt == "No run is diagnosed."


def test_the_map_has_a_row_per_block_and_a_column_per_tensor(diagnosis, sound):
    table = activation_shift.frame(diagnosis, "range")
    assert table["octaves"].tolist() == [0, -2, 1]
    assert activation_shift.span([table, table]) == 2
    figure = sound(activation_shift.ratios(diagnosis, "one", "range", 2))
    heat = figure.data[0]
    assert (list(heat.y), list(heat.x)) == (["block 0", "block 1"], ["softmax", "fc2.input"])
    assert heat.z[0, 0] == -2
    assert heat.text[1, 1] == "2.00"
    assert np.isnan(heat.z[0, 1])
    assert (heat.zmin, heat.zmax) == (-2, 2)


def test_small_differences_do_not_fill_the_scale(diagnosis):
    table = activation_shift.frame(diagnosis, "range").assign(octaves=[0.01, np.nan, -np.inf])
    assert activation_shift.span([table]) == 0.5


def test_the_sentence_says_what_is_furthest_off(diagnosis):
    assert activation_shift.ratios(diagnosis, "one", "range", 2).alt == (
        "Furthest from real images: softmax of block 0 with 0.25 times the range (0.20 to 0.30); "
        "fc2.input of block 1 (gelu) with 2.00 times the range (0.90 to 4.00); input of "
        "patch_embed.proj (image) with 1.00 times the range (0.90 to 1.10). On average a tensor's "
        "range is off by a factor of 2.00; in 1 of 3 the 95 % interval excludes 1 (32 samples, "
        "256 real images)."
    )
    peak = activation_shift.ratios(diagnosis, "one", "peak", 2)
    assert peak.alt == "The peak is not measured."
    assert "3 for a normal distribution" in activation_shift.meaning("kurtosis")
