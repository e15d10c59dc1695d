"""Files that a visitor can save: pictures, tables and the report."""

from pathlib import Path

from playwright.sync_api import expect

from maskaq.ui.state import pages
from tests.browser.tools import address, downloaded, settled


def test_a_chart_is_saved_as_a_picture(app, visit):
    page = visit(address(app, pages.ATTENTION))
    chart = page.locator(".js-plotly-plot").first
    for kind, signature in (("png", b"\x89PNG"), ("svg", b"<svg")):
        page.get_by_test_id("stSidebar").get_by_text(kind, exact=True).click()
        for _ in range(10):  # the charts learn of the choice when the page has run again
            settled(page)
            chart.hover()
            with page.expect_download() as download:
                chart.locator(".modebar-btn").first.click()
            if download.value.suggested_filename.endswith(f".{kind}"):
                break
        assert download.value.suggested_filename.startswith("maskaq-")
        assert download.value.suggested_filename.endswith(f".{kind}")
        assert Path(download.value.path()).read_bytes().startswith(signature)


def test_the_table_behind_a_chart_is_saved(app, visit):
    page = visit(address(app, pages.SANDBOX))
    page.get_by_text("The numbers behind this figure", exact=True).first.click()
    button = page.get_by_test_id("stDownloadButton").first.get_by_role("button")
    header, *rows = Path(downloaded(page, button).path()).read_text().splitlines()
    assert "," in header
    assert rows


def test_a_report_opens_without_a_network(app, visit, browser, tmp_path):
    page = visit(address(app, pages.REPORT))
    file = tmp_path / "report.html"
    downloaded(page, page.get_by_role("button", name="HTML").first).save_as(file)
    context = browser.new_context(offline=True)
    requests: list[str] = []
    report = context.new_page()
    report.on("request", lambda request: requests.append(request.url))
    report.goto(file.as_uri())
    expect(report.locator("h1").first).to_be_visible()
    expect(report.locator(".js-plotly-plot svg.main-svg").first).to_be_attached()
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()
