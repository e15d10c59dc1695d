"""Every kind of chart answers to a click, which moves a control."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Page, expect

from maskaq.ui.state import pages
from tests.browser.tools import address, insist, settled

LOOK, MAKE = pages.LOOK_INSIDE, pages.MAKE_ONE


def click(page: Page, title: str, number: int) -> None:
    """Click one of the clickable places of the chart with this title."""
    chart = page.locator(".js-plotly-plot").filter(has_text=title).first
    point = chart.locator(".scatterlayer .point").nth(number)
    box = None
    for _ in range(20):  # at this moment the chart may be drawn again
        point.scroll_into_view_if_needed()
        box = point.bounding_box()
        if box is not None:
            break
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


CHANGES = "about=What%20changes%20in%20Q"
CLICKS = {
    "bits": (MAKE, "make=Result&result=Other%20bits", "Top-1 of Q", 0, "weight_bits=2"),
    "picture": (LOOK, "", "Scene:", 27, "query=patch&patch=27"),
    "head": (LOOK, "", "P: attention of CLS", 9, "query=patch"),
    "difference": (
        LOOK,
        "about=What%20changes%20in%20Q",
        "Attention of CLS in P",
        9,
        "query=patch",
    ),
    "ratio": (LOOK, "about=Does%20it%20find%20the%20object", "mask ratio", 4, "mask_ratio="),
    "similarity": (LOOK, "look=Similarity", "Scene", 9, "patch=9"),
}


@pytest.mark.parametrize(
    "name",
    [one if one == "picture" else pytest.param(one, marks=pytest.mark.slow) for one in CLICKS],
)
def test_a_click_moves_its_control(name, app, visit):
    spec, query, title, number, expected = CLICKS[name]
    page = visit(address(app, spec, query))
    parts = [re.escape(part) for part in expected.split("&")]
    moved = re.compile(".*".join(parts))
    insist(partial(click, page, title, number), partial(expect(page).to_have_url, moved))
    settled(page)


def chosen(page: Page, label: str) -> Callable[..., None]:
    """A check that the value of a select box has changed since this call."""
    box = page.get_by_role("combobox", name=label, exact=True)
    return partial(expect(box).not_to_have_value, box.input_value())


@pytest.mark.slow
def test_a_cell_of_the_diagram_opens_its_tensor(app, visit):
    page = visit(address(app, MAKE, "make=Fit"))
    insist(partial(click, page, "Bits and SQNR", 20), chosen(page, "Tensor"))


@pytest.mark.slow
def test_a_class_shows_its_disagreements(app, visit):
    page = visit(address(app, MAKE, "make=Result&result=Disagreements"))
    insist(partial(click, page, "Disagreement by true class", 2), chosen(page, "True class"))


@pytest.mark.slow
def test_a_removed_patch_moves_the_answer(app, visit):
    page = visit(address(app, LOOK, "look=Proof&test=Deletion"))
    button = page.get_by_role("button", name="Remove the informative ones")
    expect(button).to_be_enabled()
    shown = page.get_by_text(re.compile(r"patches are gone"))
    insist(button.click, expect(shown.first).to_be_visible)
    settled(page)


@pytest.mark.slow
def test_arrow_keys_move_a_slider(app, visit):
    page = visit(address(app, MAKE))
    slider = page.get_by_role("slider", name="Weight bits").first
    slider.focus()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_text("Not computed yet: W3A4")).to_be_visible()
