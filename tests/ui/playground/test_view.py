"""The URL parameter of the playground, and the view that the browser sends."""

from dataclasses import asdict, replace

import pytest

from maskaq.ui.playground.view import DEFAULT, View, from_browser, parse, world_of


def test_a_view_survives_the_url() -> None:
    for view in (DEFAULT, View("scene3", "noise", "W3A3", 2, 50, 63)):
        assert parse(str(view)) == view


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat",
        "cats,maskaq,W4A4,block11,mask10,cls",
        "cat,mimiq,W4A4,block11,mask10,cls",
        "cat,maskaq,W5A5,block11,mask10,cls",
        "cat,maskaq,W4A4,block12,mask10,cls",
        "scene0,maskaq,W4A4,block6,mask10,cls",
        "cat,maskaq,W4A4,block1,mask4,cls",
        "cat,maskaq,W4A4,block1,mask101,cls",
        "cat,maskaq,W4A4,block1,mask10,patch196",
        "cat,maskaq,W4A4,block1,mask10,patch-1",
        "cat,maskaq,W4A4,block٣,mask10,cls",
        "cat,maskaq,W4A4,block1,mask10,cls\n",
        "../cat,maskaq,W4A4,block1,mask10,cls",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a view"):
        parse(text or ",")


def test_a_picture_of_a_smaller_model_lowers_the_block() -> None:
    view = from_browser(asdict(replace(DEFAULT, picture="scene0")))
    assert (view.picture, view.block) == ("scene0", 5)
    assert world_of("scene0").name == "scenes"


@pytest.mark.parametrize("values", [None, [], {}, {"picture": 3}, asdict(DEFAULT) | {"block": "a"}])
def test_what_a_hostile_browser_sends_is_refused(values: object) -> None:
    with pytest.raises(ValueError, match="not a view"):
        from_browser(values)
