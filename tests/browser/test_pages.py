"""Every page in a real browser: complete, in both themes, in wide and narrow windows."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from maskaq.ui.state import pages
from tests.browser.tools import address, insist, navigate, overflow, settled, shoot

WIDE, NARROW = 1280, 768
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 30)"}


def test_every_page_is_complete_in_both_themes_and_widths(app, visit, subtests):
    page = visit(app)
    for spec in pages.PAGES:
        with subtests.test(spec.title):
            page.goto("about:blank")  # so that only the next page follows the changes
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": NARROW, "height": 900})
            page.goto(address(app, spec))
            for theme, width in (("light", NARROW), ("light", WIDE), ("dark", WIDE)):
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size({"width": width, "height": 900})
                has_theme(page, theme)
                settled(page)
                for chart in page.locator(".js-plotly-plot").all():
                    expect(chart.locator("svg.main-svg").first).to_be_attached()
                page.wait_for_timeout(300)  # charts follow the width of the window
                assert overflow(page) <= 0
                shoot(page, f"{Path(spec.file).stem}-{theme}-{width}")


def has_theme(page: Page, theme: str) -> None:
    app = page.get_by_test_id("stApp")
    expect(app).to_have_css("background-color", BACKGROUNDS[theme])


def click_through(page: Page, server: str) -> Iterator[pages.PageSpec]:
    """Every page but the first in turn, by the links of the navigation."""
    for spec in pages.PAGES[1:]:
        there = partial(expect(page).to_have_url, address(server, spec))
        insist(partial(navigate, page, spec), there)
        settled(page)
        yield spec


@pytest.mark.slow
def test_a_new_visitor_clicks_through_all_pages(app, visit):
    page = visit(app)
    assert len(list(click_through(page, app))) == len(pages.PAGES) - 1
    navigate(page, pages.PLAYGROUND)
    expect(page.locator("h1").first).to_have_text("Shrink a vision model without its training data")


def test_a_demo_shows_every_page_with_its_buttons_disabled(demo, visit):
    page = visit(demo, theme="dark")
    has_theme(page, "dark")
    disabled = 0
    for _ in click_through(page, demo):
        for name in ("Run", "Compute"):
            for button in page.get_by_role("button", name=name, exact=True).all():
                expect(button).to_be_disabled()
                disabled += 1
    assert disabled


def test_bad_values_in_the_address_are_named(app, visit):
    page = visit(address(app, pages.ATTENTION, "weight_bits=99&block=x"))
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("weight_bits = 99")
    expect(warning).to_contain_text("block = x")
