"""Files that a visitor can save: pictures, tables and the report."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from maskaq.data.scenes import scenes
from maskaq.reports.html import html
from maskaq.ui.state import pages, stored_runs
from tests.browser.tools import address, downloaded, settled


def test_a_chart_is_saved_as_a_picture(app, visit):
    page = visit(address(app, pages.MAKE_ONE))
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


@pytest.mark.slow
def test_the_table_behind_a_chart_is_saved(app, visit):
    page = visit(address(app, pages.MAKE_ONE))
    page.get_by_text("Details: formulas and the numbers behind").click()
    saves = page.get_by_test_id("stDownloadButton").filter(has_text="Download as CSV")
    button = saves.first.get_by_role("button")
    header, *rows = Path(downloaded(page, button).path()).read_text().splitlines()
    assert "," in header
    assert rows


@pytest.mark.slow
def test_a_report_opens_without_a_network_and_prints_on_one_sheet(app, visit, browser, tmp_path):
    page = visit(address(app, pages.TAKE_AWAY))
    file = tmp_path / "report.html"
    downloaded(page, page.get_by_role("button", name="HTML").first).save_as(file)
    context = browser.new_context(offline=True)
    requests: list[str] = []
    report = context.new_page()
    report.on("request", lambda request: requests.append(request.url))
    report.goto(file.as_uri())
    expect(report.locator("h1").first).to_contain_text("without its training data")
    assert sheets(report) == 1
    chart = report.locator(".js-plotly-plot").first
    expect(chart).not_to_be_visible()
    report.get_by_text("Technical appendix").click()
    expect(chart.locator("svg.main-svg").first).to_be_visible()
    assert chart.locator("svg.main-svg").first.bounding_box()["width"] > 600  # of the whole page
    assert sheets(report) == 1  # the open appendix is not printed either
    assert [url for url in requests if not url.startswith(("file:", "data:", "blob:"))] == []
    context.close()


@pytest.mark.slow
def test_a_report_of_all_runs_prints_on_one_sheet(browser, tmp_path):
    runs = stored_runs.presets("scenes_vit")
    assert len(runs) == 16
    file = tmp_path / "report.html"
    file.write_text(html(runs, "now"))
    context = browser.new_context(java_script_enabled=False)
    report = context.new_page()
    report.goto(file.as_uri())
    assert sheets(report) == 1
    expect(report.get_by_role("img").first).to_be_visible()  # the figure needs no script
    context.close()


def sheets(page):
    """How many sheets of A4 a page fills in print."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", prefer_css_page_size=True)))


PROGRAM = """
import sys
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
images = np.load(sys.argv[2])
print(session.run(None, {"images": images})[0].argmax(1).tolist())
assert not {"torch", "maskaq"} & set(sys.modules)
"""


@pytest.mark.slow
def test_a_file_is_made_and_runs_with_onnxruntime_alone(app, visit, tmp_path):
    page = visit(address(app, pages.DEPLOY))
    page.get_by_role("button", name="Make the file").click()
    button = page.get_by_role("button", name=re.compile(r"Download \d\.\d\d MB"))
    expect(button).to_be_visible()
    expect(page.get_by_text("Every code in the file equals Q's.")).to_be_visible()
    file = tmp_path / "q.onnx"
    downloaded(page, button).save_as(file)
    batch = scenes("evaluation", range(40))
    np.save(tmp_path / "images.npy", (batch.images.float() / 127.5 - 1).numpy())
    words = [sys.executable, "-c", PROGRAM, str(file), str(tmp_path / "images.npy")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    right = np.array(json.loads(done.stdout)) == batch.labels.numpy()
    assert right.mean() > 0.7
