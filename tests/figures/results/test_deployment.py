import dataclasses
import math

import pytest

from maskaq.figures.results import deployment as figures
from tests.support.deployments import deployment


def test_models_lie_where_size_time_and_accuracy_say(sound):
    chart = figures.scatter(deployment(), 1, 2)
    figure = sound(chart)
    table = chart.table.set_index("name")
    assert table.loc["W8A8", ["size_mb", "milliseconds", "times_smaller"]].tolist() == [2.0, 1.2, 4]
    assert table.loc["W8A8", "times_faster"] == pytest.approx(2)
    assert math.isnan(table.loc["W3A3", "milliseconds"])
    files = [trace for trace in figure.data if trace.name.startswith("file of Q, ")]
    assert [list(trace.x) for trace in files] == [[2.0], [1.2], [1.0], [3.0]]
    assert len({trace.marker.symbol for trace in files}) == 2
    simulated = [trace for trace in figure.data if "simulated" in trace.name]
    assert [trace.xaxis for trace in simulated] == ["x", "x"]  # without a time
    assert list(chart.table["name"]) == ["P", "W8A8", "W4A8", "W3A3", "W3A3, default scheme"]
    assert [trace.customdata[0][0] for trace in files] == ["W8A8", "W8A8", "W4A8", "W4A8"]


def test_the_description_says_what_is_slower():
    alt = figures.scatter(deployment(), 1, 1).alt
    assert "W8A8 is 4.0 times smaller and 2.00 times as fast, with 86.5 instead of 87.0 %" in alt
    assert "W4A8 is 8.0 times smaller and 0.80 times as fast, which is slower" in alt


def test_both_schemes_are_compared_at_the_same_bits():
    said = figures.describe_schemes(deployment())
    assert said == "The default scheme gets 82.0 % at W3A3 (integer: 80.0 %)."


def test_p_alone_is_drawn_too():
    found = deployment()
    alone = dataclasses.replace(found, rows=found.rows[:1])
    assert len(figures.scatter(alone, 1, 1).table) == 1
    assert figures.describe_schemes(alone) == ""
