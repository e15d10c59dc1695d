import pandas as pd
import pytest

from maskaq.figures.results import curves
from tests.support.stored import CURVES


def test_every_quantity_of_every_stage_gets_one_chart():
    expected = [("synthesis", "loss"), ("synthesis", "mask_ratio"), ("fit", "loss")]
    assert curves.quantities(CURVES) == expected
    figure = curves.curves(CURVES).figure
    lines = [(list(line.x), list(line.y)) for line in figure.data]
    assert lines == [([1, 2, 3], [3, 2, 1]), ([1, 2, 3], [0.5, 0.3, 0.1]), ([1, 2], [0.5, 0.25])]
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["loss (synthesis)", "mask ratio (synthesis)", "loss (fit)"]
    assert len({line.xaxis for line in figure.data}) == 3


def test_long_runs_are_thinned():
    long = pd.DataFrame({"stage": "fit", "step": range(5000), "loss": 1.0})
    (line,) = curves.curves(long).figure.data
    assert len(line.x) == 500


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_steps_give_an_empty_chart(rows):
    assert curves.quantities(CURVES.head(rows)) == []
    chart = curves.curves(CURVES.head(rows))
    assert len(chart.figure.data) == 0
    assert chart.alt == "No metric was measured."


def test_the_description_gives_first_and_last_values():
    assert curves.curves(CURVES).alt == (
        "First and last values: loss from 3 to 1; mask ratio from 0.5 to 0.1; "
        "loss from 0.5 to 0.25."
    )


def test_metrics_have_the_names_that_the_controls_have():
    assert curves.label("one_hot") == "Class"
    assert curves.label("mask_ratio") == "mask ratio"


def test_every_chart_has_a_title_on_its_x_axis():
    figure = curves.curves(CURVES).figure
    assert {axis.title.text for axis in figure.select_xaxes()} == {"step"}
