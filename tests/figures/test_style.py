from __future__ import annotations

from maskaq.figures.style import mark


def test_no_two_series_look_the_same():
    looks = {tuple(mark(number).values()) for number in range(49)}
    assert len(looks) == 49
