"""Waiting times after moving a control of the app.

    python -m benchmarks.moves

Bits: ten pairs of bit widths are sent to a worker process, as the page does it. Each is timed until
the new accuracy on 1 000 scenes arrives. Rooms: in headless Chromium, from moving a control until
nothing on the page changes any more, figures included. `benchmarks.playground` times the first
page.
"""

import argparse
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, expect, sync_playwright

from maskaq.jobs import service
from maskaq.results.store import Stored
from maskaq.ui.state import stored_runs

ROOT = Path(__file__).parents[1]
BITS = ((4, 3), (3, 3), (3, 4), (2, 4), (4, 6), (6, 6), (6, 4), (5, 8), (8, 8), (2, 2))
MOVES = 10
TIMEOUT = 300  # seconds
# Resolves with the milliseconds from the call to the last change before half a second of silence.
QUIET = """
() => new Promise(resolve => {
  const start = performance.now();
  let last = start;
  const watch = new MutationObserver(() => { last = performance.now(); });
  watch.observe(document.querySelector("[data-testid=stMain]"),
    {subtree: true, childList: true, attributes: true, characterData: true});
  const timer = setInterval(() => {
    if (performance.now() - Math.max(last, start + 500) < 500) return;
    clearInterval(timer); watch.disconnect(); resolve(last - start);
  }, 50);
})
"""
# What is moved: the address, and a slider moved by keyboard or two buttons clicked in turn.
ROOMS: dict[str, tuple[str, str | tuple[str, str]]] = {
    "Look inside, attention: mask ratio": ("look_inside", "Mask ratio"),
    "Look inside, proof: mask ratio": ("look_inside?look=Proof", "Mask ratio"),
    "Make one, images: step": ("make_one", "Step of the synthesis"),
    "Make one, other bits": ("make_one?make=Result&result=Other%20bits", "Weight bits"),
    "Compare, runs: view": ("compare", ("Cost", "Accuracy")),
    "Learn, sandbox: bits": ("learn?learn=Sandbox", "Bits"),
}

Times = list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    print("| what | median, s | worst, s | n | goal, s |\n|---|---|---|---|---|")
    for part in args.only:
        for what, times, goal in PARTS[part]():
            median, worst = statistics.median(times), max(times)
            print(f"| {what} | {median:.2f} | {worst:.2f} | {len(times)} | {goal} |", flush=True)
    print(f"\n{date.today():%d %B %Y}, {os.cpu_count()} cores, {processor()}")


def processor() -> str:
    """The name of the processor, as far as the system reports it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def bits() -> Iterator[tuple[str, Times, str]]:
    """The new accuracy after each of ten changes of the bits, with a warm worker."""
    run = shipped()
    plain = {"model": "scenes_vit", "weights": "", "samples": run.samples["images"]}
    service.quick("accuracy", **plain).result(TIMEOUT)
    times: Times = []
    for weight, activation in BITS:
        with timed(times):
            widths = {"weight_bits": weight, "activation_bits": activation}
            service.quick("accuracy", **plain, **widths).result(TIMEOUT)
    service.close()
    yield "accuracy on 1 000 scenes after moving the bits", times, "< 2"


def shipped() -> Stored:
    """The shipped run whose samples are used."""
    return next(
        run
        for run in stored_runs.presets("scenes_vit")
        if run.result.spec.synthesis.source == "maskaq"
    )


def rooms() -> Iterator[tuple[str, Times, str]]:
    """Each page in Chromium after each of ten moves of a control, for what is stored."""
    path = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if path is None:
        raise SystemExit("no Chromium; on Debian and Ubuntu: apt-get install chromium")
    with (
        TemporaryDirectory() as folder,
        served(Path(folder)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        for name, (where, control) in ROOMS.items():
            yield name, followed(page, f"{address}/{where}", control), "< 0.5"
        browser.close()


def followed(page: Page, address: str, control: str | tuple[str, str]) -> Times:
    """Seconds until the page has followed a control; the first two moves do not count."""
    page.goto(address)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(3000)
    times = []
    for number in range(2 + MOVES):
        if isinstance(control, str):
            page.get_by_role("slider", name=control).first.focus()
        watch = page.evaluate_handle(f"({{ quiet: ({QUIET})() }})")  # started, not awaited
        if isinstance(control, str):
            page.keyboard.press("ArrowLeft" if number % 2 else "ArrowRight")
        else:
            page.get_by_text(control[number % 2], exact=True).first.click()
        times.append(float(watch.evaluate("one => one.quiet")) / 1000)
    return times[2:]


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Run the app with an empty folder of runs and yield its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    server = subprocess.Popen(
        [*command, "--server.headless", "true"],
        cwd=ROOT,
        env=os.environ | {"MASKAQ_RUNS": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not answers(f"{url}/_stcore/health"):
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def answers(url: str) -> bool:
    """Whether a server responds."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@contextmanager
def timed(times: Times) -> Iterator[None]:
    """Append the duration of the block in seconds."""
    began = time.perf_counter()
    yield
    times.append(time.perf_counter() - began)


PARTS: dict[str, Callable[[], Iterator[tuple[str, Times, str]]]] = {
    "bits": bits,
    "rooms": rooms,
}

if __name__ == "__main__":
    main()
