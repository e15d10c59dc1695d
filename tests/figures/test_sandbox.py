import numpy as np
import pytest

from maskaq.figures import sandbox
from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference


def listed(values, bits, symmetric, rule):
    return level_list.of_grid(reference.grid(values, bits, symmetric, rule))


def test_the_histogram_marks_levels_and_the_clipped_range(sound):
    values = reference.sample("outliers", 4096, seed=0)
    levels = listed(values, 4, True, "mse")
    chart = sandbox.histogram(values, levels)
    bars, clipped, ticks = sound(chart).data
    lost = int(level_list.apply(values, levels).clipped.sum())
    assert sum(bars.y) == 4096
    assert clipped.marker.pattern.shape == "/"
    assert clipped.name == f"clipped: {lost} of 4,096 values"
    for middle, width in zip(clipped.x, clipped.width, strict=True):
        places = (middle - width / 2 < levels.levels) & (levels.levels < middle + width / 2)
        assert not places.any()
    np.testing.assert_array_equal(ticks.x, levels.levels)
    assert (chart.table["count"].sum(), chart.table["clipped"].sum()) == (4096, lost)
    assert f"{lost:,} of them" in chart.alt


def test_where_nothing_is_clipped_nothing_is_hatched():
    values = reference.sample("gelu", 1000, seed=0)
    figure = sandbox.histogram(values, listed(values, 4, False, "minmax")).figure
    assert [trace.name for trace in figure.data] == ["values", "16 levels"]


@pytest.mark.parametrize("rule", reference.RULES)
def test_the_staircase_lands_on_the_levels(rule, sound):
    values = reference.sample("softmax", 1000, seed=0)
    levels = listed(values, 3, False, rule)
    chart = sandbox.staircase(levels, values)
    line, steps = sound(chart).data
    assert (line.line.dash, steps.line.dash) == ("dot", None)
    nearest = np.abs(np.asarray(steps.y)[:, None] - levels.levels).min(1)
    assert nearest.max() < 1e-6
    assert chart.figure.layout.title.text == f"8 levels, {rule}"
    even = rule not in ("log2", "adaptive-log")
    assert ("evenly spaced" if even else "with gaps of") in chart.alt
    assert chart.name == f"levels-{rule}"


def test_the_numbers_behind_the_staircase_are_all_numbers():
    values = reference.sample("outliers", 4096, seed=0)
    levels = listed(values, 4, True, "mse")
    table = sandbox.staircase(levels, values).table
    result = level_list.apply(values, levels)
    np.testing.assert_array_equal(table["value"], values)
    np.testing.assert_array_equal(table["code"], result.codes)
    np.testing.assert_allclose(table["error"], table["rounded"] - table["value"])
    assert table["clipped"].sum() == result.clipped.sum() > 0


def test_levels_by_hand_have_a_name_for_their_file():
    values = reference.sample("weights", 100, seed=0)
    like = listed(values, 2, True, "minmax")
    moved = level_list.by_hand([-1, 0, 1, 3], [-2, -0.5, 0.5, 2, 4], like)
    chart = sandbox.staircase(moved, values)
    assert (chart.name, chart.figure.layout.title.text) == ("levels-by-hand", "4 levels, by hand")


@pytest.mark.parametrize("kind, count", [("softmax", 5), ("outliers", 4)])
def test_the_error_of_every_rule_is_split_and_adds_up(kind, count, sound):
    values = reference.sample(kind, 4096, seed=0)
    table = sandbox.rules_frame(values, sandbox.candidates(values, 4, True))
    assert len(table) == count  # log2 refuses negative numbers
    total = (table["rounding, %"] + table["clipping, %"]) / 100
    np.testing.assert_allclose(-10 * np.log10(total), table["SQNR, dB"])
    chart = sandbox.rules(table, "mse")
    rounding, clipping, words, places = sound(chart).data
    np.testing.assert_allclose(np.asarray(rounding.x) + clipping.x, words.x)
    assert clipping.marker.pattern.shape == "/"
    assert [name for name in rounding.y if name.startswith("→")] == ["→ mse"]
    assert [value for (value,) in places.customdata] == list(table["rule"])
    best = table.loc[table["SQNR, dB"].idxmax()]
    assert f"{best['rule']} {best['SQNR, dB']:.1f} dB" in chart.alt


def test_what_is_exact_is_called_exact(sound):
    values = np.zeros(4, np.float32)
    table = sandbox.rules_frame(values, sandbox.candidates(values, 4, False)[:1])
    chart = sandbox.rules(table, "minmax")
    assert "minmax exact" in chart.alt
    assert list(sound(chart).data[2].text) == [" exact"]
