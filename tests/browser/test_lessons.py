"""Lessons, followed in a real browser by using the controls that they name.

Two of them use every kind of step: controls in the sidebar and on the page, a picture in the
playground, a run. `tests/pages/test_lessons.py` follows all of them without a browser.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from maskaq.ui.shell.lessons import LESSONS, Step
from maskaq.ui.state import pages
from tests.browser.tools import address, insist

Act = Callable[[Page], None]


def slide(control: str, *keys: str) -> Act:
    def act(page: Page) -> None:
        thumb = page.locator(f".st-key-{control}").get_by_role("slider")
        thumb.focus()
        for key in keys:
            thumb.press(key)

    return act


def pick(control: str, option: str) -> Act:
    def act(page: Page) -> None:
        choice = page.get_by_role("option", name=option, exact=True)
        press(page.locator(f".st-key-{control}").get_by_role("combobox"), choice)
        choice.click()

    return act


def push(control: str, option: str) -> Act:
    def act(page: Page) -> None:
        page.locator(f".st-key-{control}").get_by_text(option, exact=True).first.click()

    return act


def at_rest(page: Page) -> None:
    """Wait until the lesson no longer moves; a page that polls a run never settles as a whole."""
    box, before = page.locator(".st-key-lesson"), None
    while before != (before := (box.inner_text(), str(box.bounding_box()))):
        page.wait_for_timeout(150)


def press(target: Locator, appears: Locator, count: int = 1) -> None:
    """Click when the lesson has come to rest, until something appears."""
    at_rest(target.page)
    if appears.count() != count:
        insist(partial(target.click, timeout=5_000), partial(expect(appears).to_have_count, count))


def press_run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def picture(page: Page) -> None:
    """Choose the second picture of the playground."""
    page.locator(".strip button").nth(1).click()


def more(act: Act) -> Act:
    """Use a control among *More settings*."""

    def open_and_act(page: Page) -> None:
        button = page.get_by_role("button", name="More settings")
        press(button, page.locator(".st-key-images"))
        act(page)

    return open_and_act


def nothing(page: Page) -> None:
    """Opening the page completes the step."""


ACTS: dict[str, list[Act]] = {
    "looking": [
        picture,
        pick("block", "0"),
        pick("block", "5"),
        push("about", "Does it find the object"),
        slide("mask_ratio", *["ArrowRight"] * 8),
        pick("image", "3"),
        push("test", "Deletion"),
        push("test", "Attributions"),
    ],
    "dreaming": [
        nothing,
        push("kind", "noise"),
        push("kind", "synthetic"),
        more(slide("images", "Home")),
        press_run,
    ],
}


# By default lessons are followed in tests/pages only.
@pytest.mark.slow
@pytest.mark.parametrize("name", ACTS)
def test_a_lesson_is_followed_to_its_end(name: str, app, visit) -> None:
    lesson = LESSONS[name]
    page = visit(address(app, pages.LEARN))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.locator(f".st-key-start_{name}").get_by_role("button").click()
    box, total = page.locator(".st-key-lesson"), len(lesson.steps)
    expect(box).to_contain_text(lesson.title)
    for number, (step, act) in enumerate(zip(lesson.steps, ACTS[name], strict=True)):
        expect(box).to_contain_text(f"{number} of {total} steps done")
        expect(box).to_contain_text(f"Step {number + 1}.")
        at_rest(page)
        go(page, box, step)
        at_rest(page)
        beside_the_page(page, box)
        act(page)
        expect(box).to_contain_text(f"{number + 1} of {total} steps done")
        expect(page.get_by_test_id("stException")).to_have_count(0)
    expect(box).to_contain_text("Question.")
    box.get_by_role("button", name="Show the answer").click()
    expect(box).to_contain_text(lesson.answer[:40])
    at_rest(page)
    if name == "dreaming":  # leave no run behind for the next test
        cancel = page.get_by_role("button", name="Cancel", exact=True)
        if cancel.is_enabled():
            cancel.click()
    box.get_by_role("button", name="Leave").click()
    expect(box).to_have_count(0)


def go(page: Page, box: Locator, step: Step) -> None:
    """Follow the link, or the button, that leads to the place of a step, until it is reached.

    The card is drawn line by line, and drawn again by every run of the script: at any moment its
    link may be missing.
    """
    ways = [
        box.get_by_role(role, name=f"Go to {step.tab or step.page.title}")
        for role in ("link", "button")
    ]

    def follow() -> None:
        for way in ways:
            if way.count():
                way.click(timeout=5_000)

    def arrived(timeout: float | None = None) -> None:
        name = "" if step.page is pages.PAGES[0] else Path(step.page.file).stem
        expect(page).to_have_url(re.compile(rf"//[^/]+/{name}(\?.*)?$"), timeout=timeout)
        for way in ways:
            expect(way).to_have_count(0, timeout=timeout)
        if len(step.page.tabs) > 1:
            tab = page.get_by_test_id("stMain").get_by_role("radio", name=step.tab, exact=True)
            expect(tab).to_be_checked(timeout=timeout)

    at_rest(page)
    insist(follow, arrived)


# Texts of an element that are wider than their place.
CUT = """
box => [...box.querySelectorAll("*")]
  .filter((one) => one.clientWidth > 20 && one.scrollWidth > one.clientWidth + 1)
  .map((one) => one.innerText)
"""


def beside_the_page(page: Page, box: Locator) -> None:
    """The card is on the first screen, whole, beside the title, and pushes nothing down."""
    card, title = box.bounding_box(), page.locator("h1").first.bounding_box()
    assert card is not None
    assert title is not None
    assert card["y"] + card["height"] <= 800
    assert card["x"] + card["width"] <= title["x"]
    assert title["y"] < 200
    cut = "box => [...box.querySelectorAll('*')].some(e => e.scrollWidth > e.clientWidth + 1 && "
    assert not box.evaluate(
        f"{cut} getComputedStyle(e).overflow === 'hidden' && e.clientWidth > 20)"
    )


@pytest.mark.slow
def test_on_a_narrow_screen_the_card_comes_first_and_is_short(app, visit) -> None:
    page = visit(address(app, pages.LEARN), width=390)
    page.locator(".st-key-start_numbers").get_by_role("button").click()
    box = page.locator(".st-key-lesson")
    expect(box).to_contain_text("Step 1.")
    at_rest(page)
    go(page, box, LESSONS["numbers"].steps[0])
    expect(box).to_contain_text("1 of 6 steps done")
    at_rest(page)
    card, title = box.bounding_box(), page.locator("h1").first.bounding_box()
    assert card is not None
    assert title is not None
    assert card["y"] + card["height"] <= title["y"]
    assert card["height"] < 350
