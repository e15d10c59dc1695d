"""Segmentation and detection on the first page, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from maskaq.precomputed import dense
from maskaq.ui.state import pages
from tests.browser.tools import address, overflow, shoot

NOTHING = re.compile(r": nothing$")
TASKS = pytest.mark.parametrize("task", dense.MODELS)


def opened(visit, server: str, task: str, **how) -> Page:
    page = visit(address(server, pages.PLAYGROUND, f"task={task.capitalize()}"), **how)
    expect(page.locator(".dense .strip button[aria-pressed=true]")).to_have_count(1)
    return page


def pixels(page: Page, who: str) -> str:
    """What a canvas shows."""
    return page.locator(f".dense canvas.{who}").evaluate("canvas => canvas.toDataURL()")


def drawn(page: Page) -> str:
    return page.locator(".dense").get_attribute("data-drawn") or "0"


def move(page: Page, slider: str, value: int) -> None:
    before = drawn(page)
    page.locator(f".dense input.{slider}").fill(str(value))
    expect(page.locator(".dense")).not_to_have_attribute("data-drawn", before)


@TASKS
def test_the_bits_move_q_and_nothing_else(app, visit, task) -> None:
    page = opened(visit, app, task)
    about = dense.read(task).about
    truth, p, q = (pixels(page, who) for who in ("truth", "p", "q"))
    value, low, high = (100 * share for share in about["q"]["maskaq"]["W4A4"])
    verdict = page.locator(".dense .verdict")
    expect(verdict).to_contain_text(f"{value:.1f} % {about['metric']}")
    expect(verdict).to_contain_text(f"(95 % interval {low:.1f} to {high:.1f})")
    move(page, "bits", dense.BITS.index("W3A3"))
    assert pixels(page, "q") != q
    assert (pixels(page, "truth"), pixels(page, "p")) == (truth, p)
    value = 100 * about["q"]["maskaq"]["W3A3"][0]
    expect(verdict).to_contain_text("At W3A3, Q ")
    expect(verdict).to_contain_text(f"{value:.1f} % {about['metric']}")
    expect(page.locator(".dense figcaption .bits-out")).to_have_text("W3A3")


@TASKS
def test_source_picture_and_overlay_can_be_chosen(app, visit, task) -> None:
    page = opened(visit, app, task)
    move(page, "bits", dense.BITS.index("W3A3"))
    q = pixels(page, "q")
    page.locator(".dense .choices button", has_text="noise").click()
    expect(page.locator(".dense .choices button[aria-pressed=true]")).to_have_text("noise")
    assert pixels(page, "q") != q
    p = pixels(page, "p")
    page.locator(".dense .strip button").nth(4).click()
    expect(page.locator(".dense .strip button").nth(4)).to_have_attribute("aria-pressed", "true")
    assert pixels(page, "p") != p
    shown = pixels(page, "truth")
    move(page, "amount", 0 if task == "segmentation" else 100)
    if task == "segmentation":
        assert pixels(page, "truth") != shown
    else:  # nothing is that certain, except for the truth
        assert page.locator(".dense canvas.p").get_attribute("aria-label").endswith(": nothing")
        assert (
            not page.locator(".dense canvas.truth").get_attribute("aria-label").endswith("nothing")
        )


@TASKS
def test_it_fits_a_phone_and_the_dark_theme(app, visit, task) -> None:
    page = opened(visit, app, task)
    page.set_viewport_size({"width": 390, "height": 844})
    assert overflow(page) <= 0
    shoot(page, f"dense-{task}-390")


def test_the_numbers_behind_the_page_are_a_table_away(app, visit) -> None:
    page = opened(visit, app, "segmentation")
    page.get_by_text("The numbers behind this page").click()
    expect(page.get_by_text("weights with SHA-256")).to_be_visible()
    expect(page.get_by_text("python -m benchmarks.dense")).to_be_visible()


def test_the_tabs_lead_from_task_to_task(app, visit) -> None:
    page = visit(address(app, pages.PLAYGROUND))
    page.get_by_test_id("stMain").get_by_text("Detection", exact=True).click()
    expect(page.locator(".dense h1")).to_have_text("Which objects are where?")
    page.get_by_test_id("stMain").get_by_text("Classification", exact=True).click()
    expect(page.locator(".playground h1")).to_be_visible()
