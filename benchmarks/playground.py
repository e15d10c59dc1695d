"""The playground in Chromium: how soon the first page can be touched, and how fast it answers.

    python -m benchmarks.playground

Starts a server, opens the page in headless Chromium and prints medians of 20: seconds from the
request until the controls work (warm server), milliseconds of work per pointer move, milliseconds
from a moved control to the end of the frame that draws it, seconds from dropping a picture to P's
and to Q's answer (warm worker), and the server's memory without its workers.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from playwright.sync_api import Page, expect, sync_playwright

from maskaq.precomputed.worlds import FOLDER

TIMES = 20
READY = ".strip button[aria-pressed=true]"
PICTURE = FOLDER / "photographs" / "images" / "koala.webp"
SCENE = "view=scene0,maskaq,W4A4,block2,mask30,cls"
# Moves controls in the page itself, so that only the page's own time counts.
CONTROLS = """
async (root) => {
  const times = [];
  const move = (input, value) => { input.value = value; input.dispatchEvent(new Event("input")); };
  const buttons = [...root.querySelectorAll(".weights button, .sources button")];
  for (let i = 0; i < 20; i++) {
    const before = root.dataset.drawn;
    const start = performance.now();
    if (i % 3 === 0) move(root.querySelector(".ratio"), 10 + i);
    else if (i % 3 === 1) move(root.querySelector(".block"), i % 12);
    else buttons[i % buttons.length].click();
    while (root.dataset.drawn === before) await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times;
}
"""


def main() -> None:
    with server() as (address, process), sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        if path is None:
            raise SystemExit("no Chromium; on Debian and Ubuntu: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        found = {"seconds to the first page": first_page(browser, address)}
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        expect(page.locator(READY)).to_have_count(1)
        page.wait_for_timeout(3000)
        found["ms of work per pointer move"] = pointer(page)
        found["ms from a control to the frame"] = median(
            page.locator(".playground").evaluate(CONTROLS)
        )
        found["server MB, stored results only"] = memory(process)
        found |= own_picture(page, address)
        browser.close()
    print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=1))


@contextmanager
def server() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server of its own, in an empty folder for runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, "--server.headless", "true"],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"MASKAQ_RUNS": folder},
            stdout=subprocess.DEVNULL,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                try:
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address, process
        finally:
            process.terminate()
            process.wait(20)


def first_page(browser: Any, address: str) -> float:
    """Median seconds from the request until the controls work, after one visit to warm up."""
    seconds = []
    for _ in range(6):
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        start = time.perf_counter()
        page.goto(address)
        page.locator(READY).wait_for()
        seconds.append(time.perf_counter() - start)
        page.close()
    return median(seconds[1:])


def pointer(page: Page) -> float:
    """Median milliseconds of work in the frame after a pointer move."""
    box = page.locator(".picture").bounding_box()
    assert box
    works = []
    for place in range(TIMES):
        x = box["x"] + box["width"] * (place + 0.5) / TIMES
        page.mouse.move(x, box["y"] + box["height"] * (0.3 + 0.02 * place))
        page.wait_for_timeout(60)
        works.append(float(page.locator(".playground").get_attribute("data-work") or 0))
    return median(works)


def memory(process: subprocess.Popen[bytes]) -> float:
    """Resident memory of the server process in MB."""
    return float(psutil.Process(process.pid).memory_info().rss) / 1e6


def own_picture(page: Page, address: str) -> dict[str, float]:
    """Seconds until P and Q have answered about a dropped picture; the second one counts."""
    page.goto(f"{address}?{SCENE}")
    page.locator(READY).wait_for()
    found = {}
    for _ in range(2):
        page.get_by_role("button", name="Scene: T-shirt").click()
        expect(page.locator(".answers-q li")).to_have_count(5)
        start = time.perf_counter()
        page.locator(".file").set_input_files(PICTURE)
        expect(page.locator(".status")).to_contain_text("Fitting", timeout=120_000)
        found["seconds to P's answer"] = time.perf_counter() - start
        expect(page.locator(".status")).to_contain_text("Computed", timeout=120_000)
        found["seconds to Q's answer"] = time.perf_counter() - start
    return found


if __name__ == "__main__":
    main()
