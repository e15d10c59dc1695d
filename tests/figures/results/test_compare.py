import itertools
from dataclasses import replace

import pytest

from maskaq.config.presets import spec_of
from maskaq.figures.results import compare
from tests.support import stored


@pytest.fixture
def results():
    good, poor = (stored.result(spec_of("maskaq", bits)) for bits in ((4, 4), (3, 3)))
    poor = replace(poor, q=replace(poor.q, top1=0.5, top1_low=0.46, top1_high=0.54))
    return [good, poor]


def test_names_contain_what_differs_and_are_unique(results):
    assert compare.names(results) == ["W4A4 maskaq, reconstruct", "W3A3 maskaq, reconstruct"]
    again = replace(results[0], spec=replace(results[0].spec, seed=7))
    assert compare.names([results[0], again]) == [
        *("W4A4 maskaq, reconstruct, seed 0", "W4A4 maskaq, reconstruct, seed 7")
    ]
    twice = compare.names([results[0]] * 3)
    assert len(set(twice)) == 3


def test_short_names_contain_only_what_differs(results):
    assert compare.short_names(results) == ["W4A4", "W3A3"]
    assert compare.short_names(results[:1]) == ["maskaq"]
    again = replace(results[0], spec=replace(results[0].spec, seed=7))
    assert compare.short_names([*results, again]) == ["W4A4 seed 0", "W3A3 seed 0", "W4A4 seed 7"]
    assert compare.short_names(results[:1] * 2) == ["maskaq", "maskaq (2)"]


def test_one_p_is_one_line_and_the_points_of_a_row_do_not_hide_each_other(results, sound):
    chart = compare.runs(results)
    table = chart.table
    assert table.loc[table["run"] == "W3A3", "value"].tolist() == [90, 50, 93]
    figure = sound(chart)
    p, q, agreement = figure.data
    assert (p.name, p.mode, list(p.x)) == (compare.P, "lines", [90, 90])
    assert (q.name, list(q.x)) == (compare.Q, pytest.approx([88, 50]))
    assert list(q.error_x.array) == pytest.approx([3, 4])
    assert list(figure.layout.yaxis.ticktext) == ["W4A4", "W3A3"]
    assert [round(y) for y in q.y] == [round(y) for y in agreement.y] == [0, 1]
    assert all(abs(one - other) > 0.2 for one, other in zip(q.y, agreement.y, strict=True))
    assert "500 images" in figure.layout.title.text


def test_each_run_shows_its_own_p_where_they_differ(results, sound):
    other = replace(results[1], fp=replace(results[1].fp, top1=0.7, top1_low=0.6, top1_high=0.8))
    p, *others = sound(compare.runs([results[0], other])).data
    assert (p.mode, list(p.x)) == ("markers", [90, 70])
    rows = [trace.y[0] for trace in (p, *others)]
    assert min(abs(a - b) for a, b in itertools.combinations(rows, 2)) > 0.2


def test_the_x_axis_ends_soon_after_the_widest_interval(results):
    low, high = compare.runs(results).figure.layout.xaxis.range
    assert 40 < low < 46
    assert 95 < high < 100


def test_a_click_on_a_point_returns_its_run(results):
    for chart in (compare.runs(results), compare.cost(results)):
        points = [trace for trace in chart.figure.data if trace.name != compare.P]
        assert all(list(trace.customdata[:, 0]) == ["W4A4", "W3A3"] for trace in points)


def test_the_sentence_says_when_intervals_overlap(results):
    assert compare.runs(results).alt == (
        "Highest top-1 accuracy of Q: W4A4 with 88.0 %; lowest: W3A3 with 50.0 %."
    )
    similar = compare.runs([results[0], stored.result(spec_of("maskaq", (5, 5)))])
    assert similar.alt.endswith("their intervals overlap.")
    assert compare.runs(results[:1]).alt == "Q is right on 88.0 % of the images (maskaq)."
    assert compare.runs([]).alt == "No run is chosen."


def test_cost_stacks_the_stages_and_leaves_the_total_out(results, sound):
    chart = compare.cost(results)
    assert "total" not in set(chart.table["stage"])
    figure = sound(chart)
    assert figure.layout.barmode == "stack"
    assert sum(trace.x[0] for trace in figure.data) == pytest.approx(40)
    assert len({trace.marker.pattern.shape for trace in figure.data}) == 4
    assert figure.layout.xaxis.title.text == "seconds"
    assert "synthesis took the most time" in chart.alt
    assert "900 MB" in chart.alt
    assert compare.cost([]).alt == "No run is chosen."
