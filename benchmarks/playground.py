"""The playground in Chromium: how soon the first page can be touched, and how fast it answers.

    python -m benchmarks.playground

Starts a server, opens the page in headless Chromium and prints medians: seconds from the request
until the controls work (warm server; visits of new browsers, then of one), milliseconds of work per
pointer move, milliseconds from a moved control to the end of the frame that draws it, seconds from
dropping a picture to P's and to Q's answer (warm worker), and the server's memory without its
workers.
"""

import json
import shutil
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from benchmarks.moves import served
from maskaq.precomputed.worlds import FOLDER

TIMES = 20
VISITS = 5
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
    with (
        TemporaryDirectory() as folder,
        served(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        if path is None:
            raise SystemExit("no Chromium; on Debian and Ubuntu: apt-get install chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        fresh = [first_page(browser.new_context(), address) for _ in range(1 + VISITS)]
        context = browser.new_context()
        again = [first_page(context, address) for _ in range(1 + VISITS)]
        found = {
            "seconds to the first page, no cache": median(fresh[1:]),
            "seconds to the first page, again": median(again[1:]),
        }
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        expect(page.locator(READY)).to_have_count(1)
        page.wait_for_timeout(3000)
        found["ms of work per pointer move"] = pointer(page)
        found["ms from a control to the frame"] = median(
            page.locator(".playground").evaluate(CONTROLS)
        )
        found["server MB, stored results only"] = memory()
        found |= own_picture(page, address)
        browser.close()
    print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=1))


def first_page(context: BrowserContext, address: str) -> float:
    """Seconds from the request until the controls work."""
    page = context.new_page()
    start = time.perf_counter()
    page.goto(address)
    page.locator(READY).wait_for()
    seconds = time.perf_counter() - start
    page.close()
    return seconds


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


def memory() -> float:
    """Resident memory of the server process in MB, without its workers."""
    children = psutil.Process().children()
    server = next(child for child in children if "streamlit" in " ".join(child.cmdline()))
    return float(server.memory_info().rss) / 1e6


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
