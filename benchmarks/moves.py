"""Waiting times after moving a control of the app.

    python -m benchmarks.moves

Bits: ten pairs of bit widths are sent to a worker process, as the page does it. Each is timed until
the new accuracy on 1 000 scenes arrives. Mask ratio: the new mask and its figure, and a complete
rerun of the page Attention in Streamlit's test client. `benchmarks.playground` times the first
page.
"""

import argparse
import os
import platform
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

from maskaq.figures.maps import regions
from maskaq.jobs import service
from maskaq.precomputed import showcase
from maskaq.regions.numpy_masks import mask_of
from maskaq.results.store import Stored
from maskaq.ui.sections.look_inside import attention_maps
from maskaq.ui.state import pages, stored_runs

ROOT = Path(__file__).parents[1]
BITS = ((4, 3), (3, 3), (3, 4), (2, 4), (4, 6), (6, 6), (6, 4), (5, 8), (8, 8), (2, 2))
RATIOS = tuple(round(0.05 * step, 2) for step in range(3, 13))
TIMEOUT = 300  # seconds

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
        run for run in stored_runs.presets() if run.result.spec.synthesis.source == "maskaq"
    )


def ratio() -> Iterator[tuple[str, Times, str]]:
    """The page after each of ten changes of the mask ratio."""
    from streamlit.testing.v1 import AppTest

    scene, alpha = showcase.scene(0), attention_maps.alpha(0)
    times: Times = []
    for share in RATIOS:
        with timed(times):
            regions.overlay(
                scene.image, mask_of(alpha, share), attention_maps.GRID, scene.patches
            ).figure.to_json()
    yield "mask and its figure after moving the mask ratio", times, "< 0.3"
    page = next(page for page in pages.PAGES if "attention" in page.file)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=TIMEOUT).run()
    app.switch_page(page.file).run()
    app.slider(key="mask_ratio").set_value(0.8).run()
    times = []
    for share in RATIOS:
        slider = app.slider(key="mask_ratio").set_value(share)
        with timed(times):
            slider.run()
        assert not app.exception
    yield "the whole page Attention after moving the mask ratio", times, "< 0.3"


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
    "ratio": ratio,
}

if __name__ == "__main__":
    main()
