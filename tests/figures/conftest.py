"""Arrays that many figure tests use, and checks that hold for every chart."""

import itertools
import re

import numpy as np
import pytest

GRID = (4, 4)


@pytest.fixture
def mask():
    found = np.zeros(16, bool)
    found[[5, 6, 9]] = True
    return found


@pytest.fixture
def rows():
    """Attention of three heads [3,16]; head 1 attends to the mask of the fixture above."""
    found = np.full((3, 16), 0.05, np.float32)
    found[1, [5, 6, 9]] = 0.2
    return found


@pytest.fixture
def image():
    return np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)


@pytest.fixture
def sound():
    """Checks a chart and returns its figure.

    Every chart has a sentence, a slug, a title, named axes and a transparent background, and no two
    of its series differ in colour alone.
    """

    def check(chart, units=True):
        figure = chart.figure
        assert chart.alt.endswith(".")
        assert re.fullmatch(r"[\w -]+", chart.name)
        assert len(chart.table)
        assert figure.layout.title.text
        assert figure.layout.height > 100
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        if units:
            assert all(axis.title.text for axis in figure.select_xaxes())
        series = [trace for trace in figure.data if trace.type in ("scatter", "bar")]
        styles = [style(trace) for trace in series if trace.showlegend is not False]
        for one, other in itertools.combinations(styles, 2):
            assert one != other
        return figure

    return check


def style(trace):
    """The properties of a trace that distinguish it from others, without its colour."""
    if trace.type == "scatter":
        return (trace.mode, trace.marker.symbol, trace.line.dash, trace.line.shape)
    return ("bar", trace.marker.pattern.shape)
