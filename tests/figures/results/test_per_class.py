import numpy as np
import pytest

from maskaq.figures.results import per_class

VALUES = np.array([[0.9, 0.6, np.nan, 0.5], [0.8, 0.65, np.nan, 0.2]], np.float32)
NAMES = ["a", "b", "c", "d"]


def test_classes_are_sorted_by_their_loss_and_absent_ones_left_out() -> None:
    table = per_class.frame(VALUES, NAMES)
    assert table["class"].tolist() == ["d", "a", "b"]
    assert table["change"].tolist() == pytest.approx([-30, -10, 5], abs=1e-4)


def test_the_sentence_names_the_class_that_loses_most() -> None:
    chart = per_class.changes(per_class.frame(VALUES, NAMES), "mIoU", 1234)
    assert chart.alt == (
        "d loses most: IoU 20.0 % in Q against 50.0 % in P; b changes by +5.0 points."
    )
    assert "IoU of each class on 1,234 images" in chart.figure.layout.title.text
    assert chart.figure.layout.xaxis.title.text == "IoU of the class, %"


def test_without_any_object_there_is_nothing_to_show() -> None:
    empty = per_class.frame(np.full((2, 4), np.nan, np.float32), NAMES)
    assert per_class.changes(empty, "AP", 3).alt == "No image has an object."
