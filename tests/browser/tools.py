"""What the tests in the browser do again and again."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Download, Locator, Page, TimeoutError, expect

from maskaq.ui.state import pages

ROOT = Path(__file__).parents[2]
SCREENSHOTS = ROOT / "artefacts" / "screenshots"


def address(server: str, spec: pages.PageSpec, query: str = "") -> str:
    """Where a page is on a server."""
    page = server if spec is pages.PAGES[0] else f"{server}/{Path(spec.file).stem}"
    return f"{page}?{query}" if query else page


def settled(page: Page) -> None:
    """Wait until the script has drawn its title and no longer runs."""
    expect(page.locator("h1").first).to_be_visible()
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def downloaded(page: Page, button: Locator) -> Download:
    """What a click on the button saves.

    Streamlit makes a file when it is asked for, and forgets the question when the page's script
    runs again in between; a visitor then clicks once more, and so does this.
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


def shoot(page: Page, name: str) -> None:
    """A picture of the whole page, not only of what fits into the window."""
    size = page.viewport_size
    assert size is not None
    height = page.evaluate("() => document.querySelector('[data-testid=stMain]').scrollHeight")
    page.set_viewport_size({"width": size["width"], "height": min(int(height), 12_000)})
    page.wait_for_timeout(300)  # charts follow the size of the window
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    page.set_viewport_size(size)
