"""Every tab in a real browser: complete, short, readable and reachable, in both themes."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from maskaq.ui.state import pages
from tests.browser.tools import address, insist, navigate, overflow, settled, shoot

WIDE, NARROW = 1280, 390
HEIGHT = 800
SCREENS, WORDS = 3, 300  # at most, of a tab
BACKGROUNDS = {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 23, 30)"}
LOOKS = (("light", WIDE), ("dark", NARROW))
TABS = [(spec, tab) for spec in pages.PAGES for tab in spec.tabs]
MAIN = "document.querySelector('[data-testid=stMain]')"
AXE = {"resultTypes": ["violations"]}  # three times as fast as with what passes
# What Streamlit draws itself and an app cannot change, by rule of axe, as parts of the HTML.
FOREIGN = {
    # The handle of a slider has its label on the element around it.
    "aria-input-field-name": ("stSlider", 'role="slider"'),
    # The list of a multiselect without a choice.
    "aria-required-children": ('role="listbox"',),
    # Streamlit writes white on the primary colour, which has to be light on a dark page.
    "color-contrast": ('<span title="W',),
}

MISSING = "() => [...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"
# Controls that the keyboard does not reach. Arrow keys do what the two buttons of a number do.
REACHABLE = """() => [...document.querySelectorAll(
    'button, a[href], input, textarea, select, [role=slider], [role=combobox], [role=radio]')]
  .filter(one => one.checkVisibility() && !one.disabled && one.ariaDisabled !== 'true'
    && !one.closest('[aria-hidden=true]') && one.type !== 'file' && one.getClientRects().length)
  .filter(one => one.tabIndex < 0 && !one.closest('[role=radiogroup], [role=group]')
    && !one.closest('.modebar') && !one.closest('[data-baseweb]')
    && !one.dataset.testid?.startsWith('stNumberInputStep'))
  .map(one => one.outerHTML.slice(0, 160))"""


def title(spec: pages.PageSpec, tab: str) -> str:
    return f"{spec.title} {tab}".strip()


def place(server: str, spec: pages.PageSpec, tab: str) -> str:
    first = tab == next(iter(spec.tabs))
    return address(server, spec, "" if first else f"{spec.parameter}={tab}")


def serious(page: Page, theme: str) -> list[tuple[Any, ...]]:
    """What axe-core finds serious, without what Streamlit draws itself.

    The light theme is checked for everything, the dark one for its colours. What is still changing
    its colours is looked at again.
    """
    options = AXE if theme == "light" else AXE | {"runOnly": ["color-contrast"]}
    for _ in range(3):
        if not (found := problems(page, options)):
            break
        page.wait_for_timeout(500)
    return found


def problems(page: Page, options: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = []
    for problem in Axe().run(page, options=options).response["violations"]:
        if problem["impact"] not in ("serious", "critical"):
            continue
        for node in problem["nodes"]:
            if not any(part in node["html"] for part in FOREIGN.get(problem["id"], ())):
                found.append((problem["id"], node["html"][:200], json.dumps(node["any"])[:300]))
    return found


@pytest.mark.slow
def test_every_tab_is_complete_in_both_themes_and_widths(app, visit, subtests):
    page = visit(app)
    for spec, tab in TABS:
        with subtests.test(title(spec, tab)):
            page.goto("about:blank")  # so that only the next page follows the changes
            page.emulate_media(color_scheme="light")
            page.set_viewport_size({"width": WIDE, "height": HEIGHT})
            page.goto(place(app, spec, tab))
            for theme, width in LOOKS:
                page.emulate_media(color_scheme=theme)
                page.set_viewport_size({"width": width, "height": HEIGHT})
                has_theme(page, theme)
                settled(page)
                for chart in page.locator(".js-plotly-plot").all():
                    expect(chart.locator("svg.main-svg").first).to_be_attached()
                page.wait_for_timeout(300)  # charts follow the width of the window
                assert overflow(page) <= 0
                shoot(page, f"{Path(spec.file).stem}-{tab.lower()}-{theme}-{width}")
                assert serious(page, theme) == []
                if width == WIDE:
                    is_short(page)
            assert page.evaluate(REACHABLE) == []
            assert page.evaluate(MISSING) == []


def is_short(page: Page) -> None:
    """A tab has few screens and words, and its first figure begins on the first screen."""
    assert page.evaluate(f"() => {MAIN}.scrollHeight") <= SCREENS * HEIGHT
    assert len(page.get_by_test_id("stMain").inner_text().split()) <= WORDS
    figure = page.locator(".sandbox svg, .js-plotly-plot, [data-testid=stImage]").first
    if figure.count():
        box = figure.bounding_box()
        assert box is not None
        assert box["y"] + min(box["height"], 200) < HEIGHT


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
def test_a_new_visitor_of_a_demo_clicks_through_all_pages(demo, visit):
    page = visit(demo, theme="dark")
    has_theme(page, "dark")
    disabled, seen = 0, [pages.PLAYGROUND]
    for spec in click_through(page, demo):
        seen.append(spec)
        for name in ("Run", "Compute"):
            for button in page.get_by_role("button", name=name, exact=True).all():
                expect(button).to_be_disabled()
                disabled += 1
    assert disabled
    assert seen == list(pages.PAGES)
    navigate(page, pages.PLAYGROUND)
    expect(page.locator("h1").first).to_have_text("Shrink a vision model without its training data")


def test_bad_values_in_the_address_are_named(app, visit):
    page = visit(address(app, pages.LOOK_INSIDE, "weight_bits=99&block=x"))
    warning = page.get_by_test_id("stAlert").first
    expect(warning).to_contain_text("weight_bits = 99")
    expect(warning).to_contain_text("block = x")


@pytest.mark.slow
def test_an_earlier_address_leads_to_the_new_place_with_its_settings(app, visit):
    page = visit(app)
    for name in ("start", "claims"):  # all of them: tests/pages/test_shell.py
        spec, tab = pages.MOVED[name]
        page.goto(f"{app}/{name}?weight_bits=3")
        settled(page)
        if spec is not pages.PLAYGROUND:
            expect(page.locator("h1").first).to_have_text(spec.title)
        assert "weight_bits=3" in page.url
        if tab != next(iter(spec.tabs)):
            assert f"{spec.parameter}={tab}" in page.url
