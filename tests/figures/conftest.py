"""Arrays and frames that many figure tests draw, and what every figure must keep to."""

from __future__ import annotations

import itertools

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
    """Attention of three heads [3,16]; head 1 looks at the mask of the fixture above."""
    found = np.full((3, 16), 0.05, np.float32)
    found[1, [5, 6, 9]] = 0.2
    return found


@pytest.fixture
def image():
    return np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)


@pytest.fixture
def sound():
    """Checks what holds for every figure: title, named axes, transparency, no colour-only pair."""

    def check(figure, units=True):
        assert figure.layout.title.text
        assert figure.layout.height > 100
        assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"
        if units:
            assert all(axis.title.text for axis in figure.select_xaxes())
        series = [trace for trace in figure.data if trace.type in ("scatter", "bar")]
        looks = [look(trace) for trace in series if trace.showlegend is not False]
        for one, other in itertools.combinations(looks, 2):
            assert one != other
        return figure

    return check


def look(trace):
    """All that tells a trace from others but its colour."""
    if trace.type == "scatter":
        return (trace.mode, trace.marker.symbol, trace.line.dash, trace.line.shape)
    return ("bar", trace.marker.pattern.shape)
