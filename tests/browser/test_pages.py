"""Every page in a real browser: drawn whole, in both themes, on wide and narrow windows."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from maskaq.ui.state import pages
from tests.browser.tools import address, settled, shoot

EVERY = pytest.mark.parametrize("spec", pages.PAGES, ids=lambda spec: Path(spec.file).stem)
NARROW = 768


@EVERY
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_drawn_whole(spec, theme, app, visit):
    page = visit(address(app, spec), theme=theme)
    for chart in page.locator(".js-plotly-plot").all():
        expect(chart.locator("svg.main-svg").first).to_be_attached()
    for width in (1280, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        settled(page)
        shoot(page, f"{Path(spec.file).stem}-{theme}-{width}")
        too_wide = page.evaluate(
            "() => document.querySelector('[data-testid=stMain]').scrollWidth - window.innerWidth"
        )
        assert too_wide <= 0
    background = page.evaluate(
        "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
    )
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 30)"}[theme]


def click_through(page, server):
    """Every page but the first in turn, by the links of the navigation."""
    for spec in pages.PAGES[1:]:
        page.get_by_test_id("stSidebarNav").get_by_text(spec.title, exact=True).click()
        expect(page).to_have_url(f"{server}/{Path(spec.file).stem}")
        settled(page)
        yield spec


def test_a_newcomer_clicks_through_all_pages(app, visit):
    page = visit(app)
    assert len(list(click_through(page, app))) == len(pages.PAGES) - 1
    page.get_by_test_id("stSidebarNav").get_by_text("Start", exact=True).click()
    expect(page.locator("h1").first).to_have_text("Quantize without data")


def test_a_demo_draws_every_page_with_its_buttons_off(demo, visit):
    page = visit(demo)
    off = 0
    for _ in click_through(page, demo):
        for name in ("Run", "Compute"):
            for button in page.get_by_role("button", name=name, exact=True).all():
                expect(button).to_be_disabled()
                off += 1
    assert off


def test_bad_values_are_said_in_the_browser_too(app, visit):
    page = visit(address(app, pages.ATTENTION, "weight_bits=99&block=x"))
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("weight_bits = 99")
    expect(warning).to_contain_text("block = x")
