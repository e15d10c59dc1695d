"""The app is killed in the middle of a run: finished runs stay, the others leave nothing."""

import time
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from maskaq.results import listing
from maskaq.ui.state import pages
from tests.browser.test_runs import LONG, SMALL, SYNTHESIZING, run
from tests.browser.tools import address, settled

pytestmark = pytest.mark.slow

SOON = 60  # seconds


def gone(processes: list[psutil.Process]) -> bool:
    deadline = time.monotonic() + SOON
    while time.monotonic() < deadline and any(one.is_running() for one in processes):
        time.sleep(0.2)
    return not any(one.is_running() for one in processes)


def test_a_killed_app_loses_no_finished_run(own_server, browser, tmp_path: Path):
    server, process = own_server()
    page = browser.new_page()
    page.goto(address(server, pages.MAKE_ONE, SMALL + "&seed=21"))
    settled(page)
    run(page)
    expect(page.get_by_text("Computed on this machine").first).to_be_visible()
    finished = page.url
    page.goto(address(server, pages.MAKE_ONE, LONG + "&seed=22"))
    settled(page)
    run(page)
    expect(page.get_by_test_id("stProgress").first).to_contain_text(SYNTHESIZING)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children  # the workers
    process.kill()
    process.wait()
    page.close()
    assert gone(children)  # no worker outlives its server
    (entry,) = listing.entries(tmp_path / "runs", thorough=True)
    assert entry.state == listing.WHOLE

    restarted, _ = own_server()
    page = browser.new_page()
    page.goto(finished.replace(server, restarted))
    settled(page)
    expect(page.get_by_text("Computed on this machine").first).to_be_visible()
    page.goto(address(restarted, pages.MAKE_ONE, LONG + "&seed=22"))
    settled(page)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_enabled()
    page.close()
