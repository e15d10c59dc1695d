"""Many visitors at once: response times of pages, and whether memory settles.

    python -m benchmarks.load --sessions 20 --browsers 1 --minutes 15
    python -m benchmarks.load --sessions 0 --browsers 20 --minutes 15

Every visitor opens the app and moves from page to page, with a pause on each. A *session* uses the
app's protocol over a WebSocket, like the script in a browser, but renders nothing, because in real
use the visitors' machines do that. Its time is measured from the request for a page until the
server reports that the whole page was sent. A *browser* is a Chromium on this machine, whose work
is part of the measurement: its time is from the click until the page has a new title and has
stopped running. One more browser starts runs continuously, which the single default worker
computes. First visits have their own row. Memory is that of the server and of its workers.
"""

import argparse
import asyncio
import os
import random
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
from playwright.async_api import Browser, Page, async_playwright, expect
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.moves import served
from maskaq.ui.state import pages

TIMEOUT = 300_000  # milliseconds
ARRIVALS = 120.0  # seconds over which the visitors arrive, since opening a browser page takes time
SAMPLED = 5.0  # seconds between two memory measurements
RUN = "source=maskaq&images=4&steps=10&backend=minmax&eval_images=500"  # of the background runs

FIRST, ALL = "first visit", "all but first visits"

Times = list[tuple[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--browsers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--reading", type=float, default=45, help="seconds on a page, on average")
    args = parser.parse_args()
    with TemporaryDirectory() as folder, served(Path(folder)) as url:
        rendered, sent, memory, runs = asyncio.run(_visit(url, args))
        finished = len(list(Path(folder).glob("app/*/manifest.json")))
    report("sessions", sent)
    report("browsers", rendered)
    report_memory(memory)
    print(f"{runs} background runs started, {finished} stored")


async def _visit(
    url: str, args: argparse.Namespace
) -> tuple[Times, Times, list[tuple[float, float]], int]:
    rendered: Times = []
    sent: Times = []
    memory: list[tuple[float, float]] = []
    until = time.monotonic() + 60 * args.minutes
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        jobs = [
            _browser(browser, url, until, args.reading, rendered, seed)
            for seed in range(args.browsers)
        ]
        jobs += [
            _session(url, until, args.reading, sent, 1000 + seed) for seed in range(args.sessions)
        ]
        loop = _runs(browser, url, until)
        *_, runs, _ = await asyncio.gather(*jobs, loop, _watch(until, memory))
        await browser.close()
    return rendered, sent, memory, int(runs or 0)


async def _session(url: str, until: float, reading: float, times: Times, seed: int) -> None:
    """A visitor whose browser runs on another machine."""
    stream = url.replace("http", "ws", 1) + "/_stcore/stream"
    async with connect(stream, subprotocols=["streamlit"], max_size=None, origin=url) as server:
        async for title, here in _walk(until, reading, seed):
            times.append((title, await _sent(server, here)))


async def _walk(
    until: float, reading: float, seed: int
) -> AsyncIterator[tuple[str, pages.PageSpec]]:
    """The pages of a visitor, with pauses, each with its row in the table."""
    choose, here = random.Random(seed), pages.PLAYGROUND
    await asyncio.sleep(choose.uniform(0, ARRIVALS))
    yield FIRST, here
    while time.monotonic() < until:
        await asyncio.sleep(choose.uniform(0.5, 1.5) * reading)
        here = choose.choice([other for other in pages.PAGES if other is not here])
        yield here.title, here


async def _sent(server: ClientConnection, page: pages.PageSpec) -> float:
    """Seconds until the server has sent a whole page. Skips messages of earlier pages."""
    request = BackMsg()
    request.rerun_script.page_name = "" if page is pages.PLAYGROUND else Path(page.file).stem
    began = time.perf_counter()
    await server.send(request.SerializeToString())
    started = False
    while True:
        message = ForwardMsg.FromString(await server.recv())
        kind = message.WhichOneof("type")
        started = started or kind == "new_session"
        if started and kind == "script_finished":
            return time.perf_counter() - began


async def _browser(
    browser: Browser, url: str, until: float, reading: float, times: Times, seed: int
) -> None:
    """A visitor in a browser who reads pages with stored results."""
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(TIMEOUT)
    heading = page.locator("h1").first
    async for title, here in _walk(until, reading, seed):
        before = "" if title == FIRST else await heading.inner_text()
        began = time.perf_counter()
        if title == FIRST:
            await page.goto(url)
        else:
            await page.get_by_test_id("stTopNavSection").filter(has_text=here.section).click()
            link = page.get_by_test_id("stTopNavDropdownLink").filter(has_text=here.title)
            await link.click()
            await expect(heading).not_to_have_text(before, timeout=TIMEOUT)
        await _loaded(page)
        times.append((title, time.perf_counter() - began))


async def _runs(browser: Browser, url: str, until: float) -> int:
    """Start a new run as soon as the previous one has ended. Returns the number of runs."""
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(TIMEOUT)
    count = 0
    while time.monotonic() < until:
        await page.goto(f"{url}/quantize?{RUN}&seed={count}")
        await _loaded(page)
        await page.get_by_role("button", name="Run", exact=True).click()
        working = page.get_by_test_id("stProgress")
        await expect(working.first).to_be_visible(timeout=TIMEOUT)
        await expect(working).to_have_count(0, timeout=TIMEOUT)
        count += 1
    return count


async def _loaded(page: Page) -> None:
    await expect(page.locator("h1").first).to_be_visible(timeout=TIMEOUT)
    await expect(page.get_by_test_id("stStatusWidget")).to_have_count(0, timeout=TIMEOUT)
    await expect(page.get_by_test_id("stException")).to_have_count(0)


async def _watch(until: float, memory: list[tuple[float, float]]) -> None:
    """Record the memory of the server and of its workers in MB."""
    server = next(
        child for child in psutil.Process().children() if "streamlit" in " ".join(child.cmdline())
    )
    while time.monotonic() < until:
        below = 0
        for child in server.children(recursive=True):
            try:
                below += child.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        memory.append((server.memory_info().rss / 2**20, below / 2**20))
        await asyncio.sleep(SAMPLED)


def report(kind: str, times: Times) -> None:
    """Print a table of times in seconds."""
    print(f"\n{os.cpu_count()} processors, {len(times)} pages of {kind}\n")
    print("| page | n | median, s | 95th percentile, s |\n|---|---|---|---|")
    for title in [*(page.title for page in pages.PAGES), ALL, FIRST]:
        part = [
            seconds for name, seconds in times if name == title or (title == ALL and name != FIRST)
        ]
        if len(part) > 1:
            late = statistics.quantiles(part, n=20)[-1]
            print(f"| {title} | {len(part)} | {statistics.median(part):.2f} | {late:.2f} |")


def report_memory(memory: list[tuple[float, float]]) -> None:
    """Print a table of memory in MB."""
    print("\n| share of the time | server, MB | workers, MB |\n|---|---|---|")
    for first in range(0, 100, 20):
        part = memory[len(memory) * first // 100 : len(memory) * (first + 20) // 100]
        if part:
            own, below = (statistics.mean(column) for column in zip(*part, strict=True))
            print(f"| {first} to {first + 20} % | {own:,.0f} | {below:,.0f} |")


if __name__ == "__main__":
    main()
