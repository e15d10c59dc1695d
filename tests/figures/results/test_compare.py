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


def test_runs_have_intervals_and_distinct_markers(results, sound):
    chart = compare.runs(results)
    table = chart.table
    assert table.loc[(table["run"] == "W3A3 maskaq, reconstruct")]["value"].tolist() == [90, 50, 93]
    figure = sound(chart)
    q = figure.data[1]
    assert (q.name, list(q.x)) == ("Q top-1", pytest.approx([88, 50]))
    assert list(q.error_x.array) == pytest.approx([3, 4])
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert "500 images" in figure.layout.title.text


def test_the_sentence_says_when_intervals_overlap(results):
    assert compare.runs(results).alt == (
        "Highest top-1 accuracy of Q: W4A4 maskaq, reconstruct with 88.0 %; "
        "lowest: W3A3 maskaq, reconstruct with 50.0 %."
    )
    similar = compare.runs([results[0], stored.result(spec_of("maskaq", (5, 5)))])
    assert similar.alt.endswith("their intervals overlap.")
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
