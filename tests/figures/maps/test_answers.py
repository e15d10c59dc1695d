import numpy as np
import pytest

from maskaq.figures.maps import answers

PAIRS = {
    "P": np.array([[0.9, 0.06, 0.04], [0.1, 0.7, 0.2]]),
    "Q W4A4": np.array([[0.8, 0.1, 0.1], [0.75, 0.15, 0.1]]),
}


@pytest.fixture
def table():
    return answers.frame(["Coat", "Bag", "Shirt"], PAIRS)


def test_every_answer_has_two_ends_that_do_not_hide_each_other(table, sound):
    chart = answers.answers(table, "Answers")
    figure = sound(chart, units=False)
    whole, now = (trace for trace in figure.data if trace.showlegend is not False)
    assert (whole.name, now.name) == (answers.WHOLE, answers.NOW)
    assert whole.marker.size > now.marker.size
    assert whole.marker.symbol.endswith("open")
    place = [*zip(*whole.y, strict=True)].index(("Bag", "P"))
    assert (whole.x[place], now.x[place]) == pytest.approx((6, 70))
    assert chart.alt == (
        "P answers Bag (70 %), before Coat (90 %); Q W4A4 answers Coat (75 %), before Coat (80 %)."
    )


def test_only_the_most_probable_classes_are_drawn():
    many = answers.frame([f"class {n}" for n in range(9)], {"P": np.eye(9)[:2] * 0.5 + 0.01})
    figure = answers.answers(many, "Answers").figure
    assert len(set(figure.data[-1].y[0])) == 4
    assert {"class 0", "class 1"} <= set(figure.data[-1].y[0])


def test_the_top_answer_is_that_of_the_picture(table):
    assert answers.top(table, "P", answers.WHOLE) == ("Coat", pytest.approx(90))
    assert answers.top(table, "P", answers.NOW) == ("Bag", pytest.approx(70))
