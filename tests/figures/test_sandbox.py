import numpy as np
import pytest

from maskaq.figures import sandbox
from maskaq.quantization import numpy_reference as reference


@pytest.fixture
def clipping():
    values = reference.sample("outliers", 4096, seed=0)
    return values, reference.grid(values, 4, True, "mse")


def test_the_histogram_marks_levels_and_the_clipped_range(clipping, sound):
    values, grid = clipping
    chart = sandbox.histogram(values, grid)
    figure = sound(chart)
    bars, clipped, levels = figure.data
    assert sum(bars.y) == 4096
    assert clipped.marker.pattern.shape == "/"
    lost = int(reference.apply(values, grid).clipped.sum())
    assert clipped.name == f"clipped: {lost} of 4,096 values"
    for middle, width in zip(clipped.x, clipped.width, strict=True):
        assert not ((middle - width / 2 < grid.levels) & (grid.levels < middle + width / 2)).any()
    assert levels.x.dtype == np.float32
    np.testing.assert_array_equal(levels.x, grid.levels)
    assert (chart.table["count"].sum(), chart.table["clipped"].sum()) == (4096, lost)
    assert f"{lost:,} of them" in chart.alt


def test_where_nothing_is_clipped_nothing_is_hatched():
    values = reference.sample("gelu", 1000, seed=0)
    figure = sandbox.histogram(values, reference.grid(values, 4, False, "minmax")).figure
    assert [trace.name for trace in figure.data] == ["values", "16 levels"]


@pytest.mark.parametrize("rule", reference.RULES)
def test_the_staircase_lands_on_the_levels(rule, sound):
    values = reference.sample("softmax", 1000, seed=0)
    grid = reference.grid(values, 3, False, rule)
    chart = sandbox.staircase(grid)
    line, steps = sound(chart).data
    assert (line.line.dash, steps.line.dash) == ("dot", None)
    nearest = np.abs(np.asarray(steps.y)[:, None] - grid.levels).min(1)
    assert nearest.max() < 1e-6
    assert "8 levels, 3 bits" in chart.figure.layout.title.text
    assert chart.table["code"].tolist() == grid.codes.tolist()
    assert ("evenly spaced" if grid.even else "with gaps of") in chart.alt
    assert chart.name == f"levels-{rule}"


def test_errors_are_split_and_add_up(clipping, sound):
    toy = reference.apply(*clipping)
    chart = sandbox.errors(toy)
    table = chart.table
    assert table["share"].sum() == pytest.approx(1)
    assert table["values"].sum() == 4096
    figure = sound(chart)
    points = [trace for trace in figure.data if trace.type == "scatter"]
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert points[0].marker.symbol != points[1].marker.symbol
    assert len(points[0].x) <= 3000
    assert sum(bar.y[0] for bar in bars) == pytest.approx(100)
    assert f"{toy.sqnr_db:.1f} dB" in figure.layout.title.text
    assert f"clipping {table['values'][1]} values" in chart.alt


def test_exact_rounding_has_no_shares():
    values = np.zeros(4, np.float32)
    chart = sandbox.errors(reference.apply(values, reference.grid(values, 4, False, "minmax")))
    assert chart.table["share"].tolist() == [0, 0]
    assert "inf dB" in chart.figure.layout.title.text


@pytest.mark.parametrize("limit, text", [(64, "showing 64 of 4,096"), (9999, "showing 4,096 of")])
def test_the_table_of_codes_says_how_much_it_shows(clipping, limit, text):
    table, shown = sandbox.codes(reference.apply(*clipping), limit)
    assert shown.startswith(text)
    assert len(table) == min(limit, 4096)
    np.testing.assert_allclose(table["error"], table["rounded"] - table["value"])
