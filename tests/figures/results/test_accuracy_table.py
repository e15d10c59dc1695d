from dataclasses import replace

import pandas as pd
import pytest

from maskaq.figures.results import accuracy_table
from maskaq.precomputed.accuracy_table import Cell, over_seeds

CELL = Cell("scenes_vit", "maskaq", "repq", "W4A4", 0, 0.9, 0.81, 0.77, 0.85, 5000, 2.0, 30.0)


@pytest.fixture
def table():
    cells = [
        replace(CELL, source=source, backend=backend, seed=seed, q=q + 0.01 * seed)
        for source, backend, q in (
            ("maskaq", "repq", 0.80),
            ("maskaq", "mse", 0.70),
            ("real", "repq", 0.85),
        )
        for seed in (0, 1)
    ]
    return over_seeds(pd.DataFrame(map(vars, [*cells, replace(CELL, bits="W3A3")])))


def test_sources_are_rows_and_back_ends_columns(table, sound):
    rows = accuracy_table.frame(table, "W4A4")
    assert len(rows) == 3
    assert rows.loc[0, "retention"] == pytest.approx(100 * 0.805 / 0.9)
    figure = sound(accuracy_table.heatmap(rows, "W4A4"))
    heat = figure.data[0]
    assert (list(heat.y), list(heat.x)) == (["maskaq", "real"], ["repq", "mse"])
    assert heat.z[0, 0] == pytest.approx(80.5)
    assert heat.text[0, 0] == "<b>80.5</b><br>±6.4"  # Student's interval over two seeds
    assert heat.z[1, 1] != heat.z[1, 1]  # real with mse was not run
    assert "n = 5,000 images, seeds: 2" in figure.layout.title.text


def test_a_single_seed_shows_its_interval(table):
    chart = accuracy_table.heatmap(accuracy_table.frame(table, "W3A3"), "W3A3")
    assert chart.figure.data[0].text[0, 0] == "<b>81.0</b><br>±4.0"


def test_sources_that_cannot_be_told_apart_from_the_best_are_bold(table):
    rows = accuracy_table.frame(table, "W4A4")
    clear = rows.assign(low=rows["q"] - 0.1, high=rows["q"] + 0.1)
    text = accuracy_table.heatmap(clear, "W4A4").figure.data[0].text
    assert [label.startswith("<b>") for label in text[:, 0]] == [False, True]


def test_the_sentence_names_the_best_without_real_images(table):
    assert accuracy_table.heatmap(accuracy_table.frame(table, "W4A4"), "W4A4").alt == (
        "Best is real with repq (85.5 %), without real images maskaq with repq (80.5 %), worst "
        "maskaq with mse (70.5 %); P has 90.0 %."
    )
