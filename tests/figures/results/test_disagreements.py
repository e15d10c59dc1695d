import numpy as np
import pytest

from maskaq.figures.results import disagreements
from maskaq.intervals import wilson

NAMES = ["bag", "coat", "shirt"]
#                both right  P    Q  both wrong, same  both wrong, different
LABEL = np.array([0, 0, 1, 1, 2, 2, 0])
P = np.array([0, 0, 1, 2, 0, 0, 1])
Q = np.array([0, 0, 2, 1, 0, 1, 2])


@pytest.fixture
def table():
    return disagreements.frame(LABEL, P, Q, NAMES)


def test_every_image_gets_its_outcome(table):
    assert table["outcome"].tolist() == [
        "both right",
        "both right",
        "only P right",
        "only Q right",
        "both wrong, same class",
        "both wrong, different classes",
        "both wrong, different classes",
    ]
    assert table.loc[2, ["true", "P", "Q"]].tolist() == ["coat", "coat", "shirt"]


def test_outcomes_come_with_interval_and_count(table, sound):
    chart = disagreements.outcomes(table)
    counts = chart.table
    assert counts["images"].tolist() == [2, 1, 1, 1, 2]
    expected = wilson(2, 7)
    assert counts.loc[0, ["value", "low", "high"]].tolist() == pytest.approx(
        [100 * number for number in expected[:3]]
    )
    figure = sound(chart)
    assert len({trace.marker.symbol for trace in figure.data}) == 5
    assert figure.data[0].y == ("both right: 2",)
    assert "7 images" in figure.layout.title.text
    assert chart.alt == "P and Q disagree on 4 of 7 images: only P is right on 1, only Q on 1."


def test_classes_are_ranked_by_disagreement(table):
    shares = disagreements.by_class(table)
    assert shares["true"].tolist() == ["coat", "shirt", "bag"]
    assert shares["value"].tolist() == pytest.approx([100, 50, 100 / 3])
    assert shares["n"].tolist() == [2, 2, 3]


def test_the_chosen_class_is_marked_and_every_class_can_be_clicked(table):
    shares = disagreements.by_class(table)
    (points,) = disagreements.classes(shares, "bag").figure.data
    assert list(points.y) == list(shares["true"])
    assert [list(one) for one in points.customdata] == [[name] for name in shares["true"]]
    marked = {
        name
        for name, symbol in zip(points.y, points.marker.symbol, strict=True)
        if symbol == "diamond"
    }
    assert marked == {"bag"}
    assert disagreements.classes(shares, None).alt.startswith("P and Q disagree most on ")
