"""All lessons, followed in a real browser by using the controls that they name."""

from collections.abc import Callable
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from maskaq.ui.shell.lessons import LESSONS
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
        page.wait_for_timeout(400)


def press(target: Locator, appears: Locator, count: int = 1) -> None:
    """Click when the lesson has come to rest, until something appears."""
    at_rest(target.page)
    if appears.count() != count:
        insist(partial(target.click, timeout=5_000), partial(expect(appears).to_have_count, count))


def press_run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def nothing(page: Page) -> None:
    """Opening the page completes the step."""


def both(*acts: Act) -> Act:
    def act(page: Page) -> None:
        for one in acts:
            one(page)

    return act


ACTS: dict[str, list[Act]] = {
    "numbers": [
        nothing,
        slide("weight_bits", "ArrowLeft", "ArrowLeft"),
        slide("weight_bits", "ArrowRight", "ArrowRight"),
        push("values", "outliers"),
        push("rule", "mse"),
        both(push("values", "softmax"), push("rule", "log2")),
    ],
    "looking": [
        nothing,
        pick("block", "0"),
        pick("block", "5"),
        slide("mask_ratio", *["ArrowRight"] * 4),
        pick("image", "3"),
        push("test", "Deletion"),
        push("test", "Attributions"),
    ],
    "dreaming": [
        nothing,
        push("kind", "noise"),
        push("kind", "synthetic"),
        nothing,
        slide("images", "Home"),
        press_run,
    ],
    "aligning": [
        slide("weight_bits", "ArrowLeft"),
        slide("activation_bits", "ArrowLeft"),
        nothing,
        pick("axis_1", "align"),
        nothing,
    ],
}


# All lessons are followed in tests/pages; in the browser, by default the first one.
EVERY = [
    name if name == "numbers" else pytest.param(name, marks=pytest.mark.slow) for name in LESSONS
]


@pytest.mark.parametrize("name", EVERY)
def test_a_lesson_is_followed_to_its_end(name: str, app, visit) -> None:
    lesson = LESSONS[name]
    page = visit(address(app, pages.LESSONS))
    page.locator(f".st-key-start_{name}").get_by_role("button").click()
    box, total = page.locator(".st-key-lesson"), len(lesson.steps)
    expect(box).to_contain_text(lesson.title)
    for number, (step, act) in enumerate(zip(lesson.steps, ACTS[name], strict=True)):
        expect(box).to_contain_text(f"{number} of {total} steps done")
        expect(box).to_contain_text(f"Step {number + 1}.")
        link = box.get_by_role("link", name=f"Go to {step.page.title}")
        at_rest(page)
        if link.count():
            press(link, link, 0)
        at_rest(page)
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
    box.get_by_role("button", name="Leave the lesson").click()
    expect(box).to_have_count(0)
