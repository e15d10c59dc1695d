"""Helpers for the tests in the browser."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Download, Error, Locator, Page, TimeoutError, expect

from maskaq.ui.state import pages

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artefacts" / "screenshots"


def address(server: str, spec: pages.PageSpec, query: str = "") -> str:
    """The address of a page on a server."""
    page = server if spec is pages.PAGES[0] else f"{server}/{Path(spec.file).stem}"
    return f"{page}?{query}" if query else page


def settled(page: Page) -> None:
    """Wait until the title is there and the script has finished."""
    expect(page.locator("h1").first).to_be_visible()
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def navigate(page: Page, spec: pages.PageSpec) -> None:
    """Click the link of a page at the top."""
    page.get_by_test_id("stTopNavLink").filter(has_text=spec.title).click()


def insist(action: Callable[[], None], check: Callable[..., None]) -> None:
    """Act until a check passes: a click during a redraw is lost, and people click again."""
    for _ in range(5):
        with suppress(Error):  # the target may have gone, which the check decides
            action()
        with suppress(AssertionError):
            check(timeout=5_000)
            return
    check()


def downloaded(page: Page, button: Locator) -> Download:
    """Click a button and return the file that it saves.

    Streamlit makes the file on request, and drops the request if the script of the page runs again
    in between; a visitor then clicks again, as this does.
    """
    for last in (False, False, True):
        expect(button).to_be_visible()
        settled(page)
        try:
            with page.expect_download(timeout=30_000 if last else 10_000) as download:
                button.click()
        except TimeoutError:
            if last:
                raise
        else:
            break
    return download.value


def overflow(page: Page) -> int:
    """How many pixels the page is wider than the window."""
    main = "document.querySelector('[data-testid=stMain]')"
    pixels: int = page.evaluate(f"() => {main}.scrollWidth - window.innerWidth")
    return pixels


def shoot(page: Page, name: str) -> None:
    """Save a picture of the whole page if MASKAQ_SCREENSHOTS is set."""
    size = page.viewport_size
    if not os.environ.get("MASKAQ_SCREENSHOTS") or size is None:
        return
    height = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(int(height), 12_000)})
    page.wait_for_timeout(300)  # charts follow the size of the window
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size(size)
