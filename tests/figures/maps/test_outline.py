import re

import numpy as np

from maskaq.figures.maps import outline


def sides(path):
    return {tuple(map(float, re.split("[,L]", part))) for part in path.split("M")[1:]}


def test_two_neighbours_share_no_side():
    mask = np.array([True, True, False, False])
    drawn = sides(outline.path(mask, (2, 2)))
    assert len(drawn) == 6
    assert (0.5, -0.5, 0.5, 0.5) not in drawn  # between the two
    assert (1.5, -0.5, 1.5, 0.5) in drawn  # the edge of the image counts too


def test_patches_can_be_several_pixels_wide():
    mask = np.array([False, False, False, True])
    assert sides(outline.path(mask, (2, 2), patch=8)) == {
        (7.5, 7.5, 15.5, 7.5),
        (7.5, 15.5, 15.5, 15.5),
        (7.5, 7.5, 7.5, 15.5),
        (15.5, 7.5, 15.5, 15.5),
    }


def test_an_empty_mask_has_no_outline():
    path = outline.path(np.zeros(4, bool), (2, 2))
    assert path == ""
    assert outline.shapes(path, "red", "dot") == []


def test_an_outline_is_visible_on_any_background_and_has_a_dash():
    under, over = outline.shapes("M0,0L1,0", "red", "dot", "2")
    assert under["line"] == {"color": "white", "width": 5}
    assert over["line"]["dash"] == "dot"
    assert over["xref"] == "x2"
