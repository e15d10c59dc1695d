"""A real browser on a real server: Chromium through Playwright."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.tools import ROOT, settled

REQUIRED = os.environ.get("MASKAQ_BROWSER_TESTS") == "required"
# A run is short, but the first one loads torch in a worker, and the machine may be small.
PATIENCE = 120_000  # milliseconds
# Streamlit requests these relative to every page but the first, and accepts status 404.
EXPECTED = ("/_stcore/health", "/_stcore/host-config")

expect.set_options(timeout=PATIENCE)


# The first one has no window to draw, which saves a fifth of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def _chromium() -> str:
    for path in filter(None, map(shutil.which, BROWSERS)):
        return path
    reason = (
        "no Chromium on this machine; on Debian: `apt-get install chromium-headless-shell`, "
        "on Ubuntu: `snap install chromium`"
    )
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = _chromium()
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


Server = tuple[str, "subprocess.Popen[bytes]"]


def serve(folder: Path, **extra: str) -> Iterator[Server]:
    """Start a server that stores its runs in `folder`; yields its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port)]
    log = folder / "server.log"
    with log.open("w") as stream:
        server = subprocess.Popen(
            [*command, "--server.headless", "true"],
            cwd=ROOT,
            env=os.environ | {"MASKAQ_RUNS": str(folder / "runs")} | extra,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/_stcore/health", server, log)
            yield address, server
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"the server did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for address, _ in serve(tmp_path_factory.mktemp("app")):
        yield address


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    for address, _ in serve(tmp_path_factory.mktemp("demo"), MASKAQ_READONLY="1"):
        yield address


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Start servers that share one folder for runs, `tmp_path / "runs"`."""
    started: list[Iterator[Server]] = []

    def start() -> Server:
        started.append(serve(tmp_path))
        return next(started[-1])

    yield start
    for one in started:
        next(one, None)


@pytest.fixture(scope="session")
def profile(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all tests, so that scripts are fetched and compiled once."""
    context = browser.new_context()
    yield context
    context.close()


Visit = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, profile: BrowserContext) -> Iterator[Visit]:
    """Open an address in a new tab; at the end no tab may have logged an error.

    A tab is a session of the app. `stranger=True` opens it in another browser profile.

    Streamlit drops a picture when the page is drawn without it, perhaps before the browser has
    asked for it. That the pictures of a page at rest are there is checked in `test_pages`.
    """
    opened: list[BrowserContext | Page] = []
    errors: list[str] = []

    def record(kind: str, text: str, where: str) -> None:
        dropped = "/media/" in text + where
        if kind == "error" and not dropped and not where.endswith(EXPECTED):
            errors.append(f"{text} ({where})")

    def open_page(
        address: str, *, theme: str = "light", width: int = 1280, stranger: bool = False
    ) -> Page:
        context = browser.new_context() if stranger else profile
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        opened.append(context if stranger else page)
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.set_viewport_size({"width": width, "height": 900})
        page.on("console", lambda m: record(m.type, m.text, m.location.get("url", "")))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        settled(page)
        return page

    yield open_page
    for one in opened:
        one.close()
    assert errors == []
