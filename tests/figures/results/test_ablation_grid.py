import numpy as np
import pandas as pd
import pytest

from maskaq.figures.results import ablation_grid


@pytest.fixture
def cells():
    return pd.DataFrame(
        [
            ("2", "0.1", "finished", 40.1, 38.0, 42.0, 1000),
            ("4", "0.1", "running", None, None, None, None),
            ("2", "0.5", "waiting", None, None, None, None),
            ("4", "0.5", "finished", 85.0, 83.0, 87.0, 1000),
        ],
        columns=["a", "b", "state", "value", "low", "high", "n"],
    )


def test_finished_cells_show_their_accuracy_and_others_their_state(cells, sound):
    chart = ablation_grid.heatmap(cells, "weight bits", "mask ratio")
    assert chart.name == "grid-weight bits-mask ratio"
    assert {"weight bits", "mask ratio"} <= set(chart.table)
    figure = sound(chart)
    heat = figure.data[0]
    assert heat.z.dtype == np.float32
    assert heat.z[0, 0] == pytest.approx(40.1)
    assert np.isnan(heat.z[0, 1])
    assert heat.text[1][1] == "<b>85.0</b><br>83.0-87.0"
    words = [(note.x, note.y, note.text) for note in figure.layout.annotations]
    assert words == [("4", "0.1", "running"), ("2", "0.5", "waiting")]
    assert figure.layout.xaxis.title.text == "weight bits"
    assert figure.layout.yaxis.title.text == "mask ratio"
    assert figure.layout.xaxis.type == "category"
    assert "2 of 4 runs finished" in figure.layout.title.text


def test_a_click_on_a_finished_cell_returns_its_values(cells):
    clickable = ablation_grid.heatmap(cells).figure.data[-1]
    assert [value for (value,) in clickable.customdata] == ["2\n0.1", "4\n0.5"]
    assert "n = 1,000" in clickable.hovertext[0]


def test_the_sentence_names_best_and_worst(cells):
    alt = ablation_grid.heatmap(cells).alt
    assert "best is 4 with 0.5 (85.0 %), worst 2 with 0.1 (40.1 %)" in alt
    assert ablation_grid.heatmap(cells.iloc[1:3]).alt == "0 of 2 runs are finished."


def test_a_grid_without_finished_runs_can_be_shown():
    begun = pd.DataFrame({"a": [2, 4], "b": [0.1, 0.1], "state": ["waiting", "queued"]})
    figure = ablation_grid.heatmap(begun).figure
    assert [note.text for note in figure.layout.annotations] == ["waiting", "queued"]
    assert figure.data[0].x == ("2", "4")
