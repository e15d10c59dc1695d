"""Runs in a real browser with real workers: started, cancelled, reloaded, shared, kept private."""

import re
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from maskaq.ui.state import pages
from tests.browser.tools import address, navigate, settled

SMALL = "source=maskaq&images=4&steps=10&backend=minmax&eval_images=100"
LONG = "source=maskaq&images=16&steps=300&backend=minmax&eval_images=100"
WORKING = re.compile(r"Stage [1-4] of 4|Starting|Waiting")
SYNTHESIZING = re.compile(r"Making images, \d+ of \d+")


def run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("stProgress").first).to_contain_text(WORKING)


def cancel(page: Page) -> None:
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_text("Cancelled. Nothing was stored.")).to_be_visible(timeout=10_000)


@pytest.fixture(scope="module")
def finished(app, browser) -> str:
    """The address of a small synthesis that another visitor has run."""
    page = browser.new_page()
    page.goto(address(app, pages.MAKE_ONE, SMALL + "&seed=7"))
    settled(page)
    run(page)
    # The first run loads torch, while other tests compute.
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=240_000)
    settled(page)
    expect(page.get_by_text("Computed on this machine").first).to_be_visible()
    link: str = page.url
    page.close()
    return link


@pytest.mark.slow
def test_a_shared_link_shows_the_same_result_to_another_visitor(finished, visit):
    assert "seed=7" in finished
    assert "steps=10" in finished
    page = visit(finished)
    expect(page.get_by_text("Computed on this machine").first).to_be_visible()
    expect(page.get_by_label("Seed", exact=True)).to_have_value("7")


@pytest.mark.slow
def test_a_run_is_cancelled(app, visit):
    page = visit(address(app, pages.MAKE_ONE, LONG + "&seed=11"))
    run(page)
    expect(page.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    cancel(page)
    expect(page.get_by_test_id("stProgress")).to_have_count(0)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()


@pytest.mark.slow
def test_a_run_survives_a_reload_and_a_change_of_page(app, visit):
    page = visit(address(app, pages.MAKE_ONE, LONG + "&seed=12"))
    run(page)
    page.reload()
    settled_or_working(page)
    expect(page.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    navigate(page, pages.LEARN)
    expect(page.locator("h1").first).to_have_text(pages.LEARN.title)
    page.reload()  # on another page than the run's
    expect(page.get_by_test_id("stMain")).to_contain_text("Your run:")
    page.get_by_test_id("stMain").get_by_role("link", name="Open").click()
    expect(page.locator("h1").first).to_have_text(pages.MAKE_ONE.title)
    expect(page.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    cancel(page)


@pytest.mark.slow
def test_two_sessions_see_only_their_own_runs(app, visit):
    mine = visit(address(app, pages.MAKE_ONE, LONG + "&seed=13"))
    run(mine)
    expect(mine.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    theirs = visit(address(app, pages.MAKE_ONE, LONG + "&seed=14"), stranger=True)
    expect(theirs.get_by_test_id("stProgress")).to_have_count(0)
    expect(theirs.get_by_role("button", name="Cancel", exact=True)).to_be_disabled()
    run(theirs)
    expect(theirs.get_by_test_id("stProgress").first).to_contain_text("Waiting")
    tab = mine.context.new_page()  # another tab of the same browser is another session
    tab.goto(address(app, pages.MAKE_ONE, LONG + "&seed=13"))
    settled(tab)
    expect(tab.get_by_test_id("stProgress")).to_have_count(0)
    tab.close()
    cancel(theirs)
    expect(mine.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    cancel(mine)


def picture() -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 20), "teal").save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.slow
def test_files_are_accepted_or_refused_with_the_reason(app, visit):
    page = visit(address(app, pages.LOOK_INSIDE))
    sidebar = page.get_by_test_id("stSidebar")
    sidebar.get_by_text("Your own", exact=True).click()
    chooser = sidebar.locator("input[type=file]")
    chooser.set_input_files(
        {"name": "bad.png", "mimeType": "image/png", "buffer": b"not a picture"}
    )
    expect(sidebar.get_by_test_id("stAlert")).to_contain_text("Allowed: one still picture")
    chooser.set_input_files({"name": "teal.png", "mimeType": "image/png", "buffer": picture()})
    expect(sidebar.get_by_text("teal.png, 40 x 20 pixels")).to_be_visible()
    expect(sidebar.get_by_text("Allowed: one still picture")).to_have_count(0)
    page.get_by_role("button", name="Compute", exact=True).click()
    expect(page.locator(".js-plotly-plot").filter(has_text="P: attention of CLS")).to_be_visible()
    expect(page.get_by_text("ten garments").first).to_be_visible()


def settled_or_working(page: Page) -> None:
    """Wait for the title; a page that polls its run never settles."""
    expect(page.locator("h1").first).to_be_visible()
    expect(page.get_by_test_id("stException")).to_have_count(0)
