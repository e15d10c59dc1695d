import pandas as pd
import pytest

from maskaq.figures.results import published
from maskaq.precomputed.published import frame


@pytest.fixture
def rows():
    numbers = [("A", "", "ViT-T", 1.0), ("A", "", "ViT-B", 3.0), ("B", "x", "ViT-B", 2.0)]
    rows = [(method, "data-free", "paper", *rest) for method, *rest in numbers]
    return pd.DataFrame(rows, columns=["method", "data", "tag", "note", "model", "top1"])


def test_methods_are_rows_and_models_columns(rows, sound):
    chart = published.heatmap(rows, "W4A4")
    heat = sound(chart).data[0]
    assert (list(heat.y), list(heat.x)) == (["A", "B"], ["ViT-T", "ViT-B"])
    assert heat.text.tolist() == [["1.0", "3.0"], ["", "2.0"]]
    assert chart.table["note"].tolist() == ["", "x"]
    assert "from 1.0 to 3.0 %" in chart.alt


def test_a_method_with_several_rows_has_a_note_in_its_label(rows):
    twice = pd.concat([rows, rows.assign(note="other")])
    labels = list(published.heatmap(twice, "W4A4").figure.data[0].y)
    assert sorted(labels) == ["A, other", "A, paper", "B, other", "B, x"]


def test_every_printed_number_is_a_cell():
    for _, rows in frame().groupby(["paper", "table", "bits"], sort=False):
        heat = published.heatmap(rows, "W4A4").figure.data[0]
        assert len(set(heat.y)) == len(heat.y) == len(published.frame(rows))
        assert sum(label != "" for label in heat.text.ravel()) == len(rows)
