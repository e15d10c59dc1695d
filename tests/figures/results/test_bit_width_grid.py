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
    rows = bit_width_grid.frame(table, "maskaq")
    assert len(rows) == 49
    assert rows.loc[0, "value"] == pytest.approx(22)
    assert (rows["low"] == 10).all()
    assert (rows["n"] == 1000).all()


def test_every_pair_has_its_cell_and_the_chosen_one_is_framed(table, sound):
    chart = bit_width_grid.heatmap(bit_width_grid.frame(table, "maskaq"), (3, 7), "maskaq")
    assert chart.name == "widths-maskaq"
    assert chart.alt == "From 22.0 % at W2A2 to 88.0 % at W8A8."
    figure = sound(chart)
    heat, cells = figure.data
    assert len(cells.customdata) == heat.z.size
    assert list(cells.customdata[0]) == ["W2A2"]
    place = list(heat.y).index(3), list(heat.x).index(7)
    assert heat.z[place] == pytest.approx(37)
    shape = figure.layout.shapes[-1]
    assert (shape.x0, shape.x1, shape.y0, shape.y1) == (6.5, 7.5, 2.5, 3.5)
    assert "1,000 scenes" in figure.layout.title.text
    assert figure.layout.xaxis.title.text == "activation bits"


def test_an_incomplete_table_can_be_shown(table):
    rows = bit_width_grid.frame(table, "noise").head(3)
    figure = bit_width_grid.heatmap(rows, (8, 8), "noise").figure
    assert len(figure.data[0].y) == 1
    assert not figure.layout.shapes
