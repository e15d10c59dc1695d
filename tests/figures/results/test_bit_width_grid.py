from __future__ import annotations

import pandas as pd
import pytest

from maskaq.figures.results import bit_width_grid


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        (source, weight, activation, weight / 10 + activation / 100, 0.1, 0.9, 0.5, 1000, "tails")
        for source in ("noise", "maskaq")
        for weight in range(2, 9)
        for activation in range(2, 9)
    ]
    columns = ["source", "weight_bits", "activation_bits", "top1", "low", "high", "agreement"]
    return pd.DataFrame(rows, columns=[*columns, "n", "backend"])


def test_the_numbers_are_those_of_one_source_in_percent(table):
    found = bit_width_grid.frame(table, "maskaq")
    assert len(found) == 49
    assert found.loc[0, "value"] == pytest.approx(22)
    assert (found["low"] == 10).all()
    assert (found["n"] == 1000).all()


def test_every_pair_stands_at_its_place_and_the_chosen_one_is_framed(table):
    figure = bit_width_grid.widths(bit_width_grid.frame(table, "maskaq"), (3, 7), "maskaq")
    (heat,) = figure.data
    place = list(heat.y).index(3), list(heat.x).index(7)
    assert heat.z[place] == pytest.approx(37)
    shape = figure.layout.shapes[-1]
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == (6.5, 7.5, 2.5, 3.5)
    assert "1,000 scenes" in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "activation bits"


def test_a_table_that_is_not_whole_is_drawn_as_far_as_it_goes(table):
    figure = bit_width_grid.widths(bit_width_grid.frame(table, "noise").head(3), (8, 8), "noise")
    assert len(figure.data[0].y) == 1
    assert not figure.layout.shapes


def test_it_is_said_in_a_sentence(table):
    said = bit_width_grid.describe(bit_width_grid.frame(table, "maskaq"))
    assert said == "From 22.0 % at W2A2 to 88.0 % at W8A8."
