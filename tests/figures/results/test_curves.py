from __future__ import annotations

import pandas as pd
import pytest

from maskaq.figures.results import curves
from tests.support.stored import CURVES


def test_every_quantity_of_every_stage_gets_one_chart():
    expected = [("synthesis", "loss"), ("synthesis", "mask_ratio"), ("fit", "loss")]
    assert curves.quantities(CURVES) == expected
    figure = curves.curves(CURVES)
    lines = [(list(line.x), list(line.y)) for line in figure.data]
    assert lines == [([1, 2, 3], [3, 2, 1]), ([1, 2, 3], [0.5, 0.3, 0.1]), ([1, 2], [0.5, 0.25])]
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["loss (synthesis)", "mask ratio (synthesis)", "loss (fit)"]
    assert len({line.xaxis for line in figure.data}) == 3


def test_long_runs_are_thinned():
    long = pd.DataFrame({"stage": "fit", "step": range(5000), "loss": 1.0})
    (line,) = curves.curves(long).data
    assert len(line.x) == 500


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_steps_give_an_empty_chart(rows):
    assert curves.quantities(CURVES.head(rows)) == []
    assert len(curves.curves(CURVES.head(rows)).data) == 0
    assert curves.describe(CURVES.head(rows)) == "Nothing was measured."


def test_the_description_gives_first_and_last_values():
    said = curves.describe(CURVES)
    assert said == (
        "First and last values: loss from 3 to 1; mask ratio from 0.5 to 0.1; "
        "loss from 0.5 to 0.25."
    )


def test_terms_are_chosen_and_a_step_is_marked():
    figure = curves.terms(CURVES, ["mask_ratio"], step=2)
    (line,) = figure.data
    assert list(line.y) == [0.5, 0.3, 0.1]
    assert [shape.x0 for shape in figure.layout.shapes] == [2]
    assert "line at step 2" in figure.layout.title.text
    assert len(curves.terms(CURVES, ["loss"]).data) == 1  # of the synthesis, not of the fit
    assert not curves.terms(CURVES, ["loss"]).layout.shapes
    assert len(curves.terms(CURVES, ["nothing"], step=2).data) == 0


def test_every_chart_says_what_runs_along():
    figure = curves.curves(CURVES)
    assert {axis.title.text for axis in figure.select_xaxes()} == {"step"}
