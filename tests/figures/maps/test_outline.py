from __future__ import annotations

import re

import numpy as np

from maskaq.figures.maps import outline


def sides(path):
    return {tuple(map(float, re.split("[,L]", part))) for part in path.split("M")[1:]}


def test_two_neighbours_share_no_side():
    mask = np.array([True, True, False, False])
    found = sides(outline.path(mask, (2, 2)))
    assert len(found) == 6
    assert (0.5, -0.5, 0.5, 0.5) not in found  # between the two
    assert (1.5, -0.5, 1.5, 0.5) in found  # the picture's own edge counts


def test_patches_may_be_many_pixels():
    mask = np.array([False, False, False, True])
    found = sides(outline.path(mask, (2, 2), patch=8))
    assert found == {
        (7.5, 7.5, 15.5, 7.5),
        (7.5, 15.5, 15.5, 15.5),
        (7.5, 7.5, 7.5, 15.5),
        (15.5, 7.5, 15.5, 15.5),
    }


def test_nothing_has_no_border():
    path = outline.path(np.zeros(4, bool), (2, 2))
    assert path == ""
    assert outline.shapes(path, "red", "dot") == []


def test_a_border_shows_on_any_ground_and_by_its_dash():
    under, over = outline.shapes("M0,0L1,0", "red", "dot", "2")
    assert under["line"] == {"color": "white", "width": 5}
    assert over["line"]["dash"] == "dot"
    assert over["xref"] == "x2"
