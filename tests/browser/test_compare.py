"""Figures of the page Compare answer to clicks, and stay legible."""

import pytest
from playwright.sync_api import expect

from maskaq.ui.state import pages
from tests.browser.tools import address, insist, settled


def middle(box, x=0.5, y=0.5):
    """A place in a box, as shares of its sides."""
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


@pytest.mark.slow
def test_a_click_on_a_cell_opens_its_run(app, visit):
    page = visit(address(app, pages.COMPARE, "compare=Grid"))
    plot = page.locator(".js-plotly-plot .heatmaplayer").first
    expect(plot).to_be_visible()
    # Four columns and four rows: the second column is W4A4, the first row maskaq. A corner of the
    # cell does as well as its middle.
    insist(
        lambda: page.mouse.click(*middle(plot.bounding_box(), 0.42, 0.08)),
        expect(page.get_by_text("32 images from the source maskaq")).to_be_visible,
    )
    settled(page)
    labels = page.locator(".js-plotly-plot").first.locator(".textpoint text")
    expect(labels).to_have_count(16)
    fills = labels.evaluate_all("all => all.map(text => getComputedStyle(text).fillOpacity)")
    assert set(fills) == {"1"}  # plotly would make those that are not clicked fade


@pytest.mark.slow
def test_a_click_on_a_point_opens_its_run(app, visit):
    page = visit(address(app, pages.COMPARE))
    points = page.locator(".js-plotly-plot .scatterlayer .point")
    expect(points).to_have_count(8)  # of four runs: Q and the agreement
    insist(
        lambda: page.mouse.click(*middle(points.nth(2).bounding_box())),
        expect(page.get_by_text("--source noise")).to_be_visible,
    )


@pytest.mark.slow
def test_tabs_leave_no_unknown_settings_behind(app, visit):
    page = visit(address(app, pages.COMPARE))
    page.get_by_text("Activation shift", exact=True).click()
    settled(page)
    page.get_by_text("Measured", exact=True).click()
    expect(page.get_by_text("is highest")).to_be_visible()
    settled(page)
    expect(page.get_by_text("unknown settings")).to_have_count(0)
