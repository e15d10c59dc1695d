"""Seconds to list many stored runs.

    python -m benchmarks.listing --runs 1000 5000

Lists copies of one stored run (the first example that ships), with all its files, in a temporary
folder.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

from maskaq.results.listing import list_runs, where
from maskaq.ui.state.stored_runs import EXAMPLES

REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", type=int, default=[1000, 5000])
    args = parser.parse_args()
    print("| runs | list, s (median of 5) | filter, s |\n|---|---|---|")
    for count in args.runs:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            fill(folder, count)
            listing, filtering = [], []
            for _ in range(REPEATS):
                began = time.perf_counter()
                runs = list_runs(folder)
                listed = time.perf_counter()
                where(runs, ["bits=W4A4", "q>0.5"])
                listing.append(listed - began)
                filtering.append(time.perf_counter() - listed)
            assert len(runs) == count
            times = statistics.median(listing), statistics.median(filtering)
        print(f"| {count:,} | {times[0]:.2f} | {times[1]:.3f} |")


def fill(folder: Path, count: int) -> None:
    """Make `count` runs whose files are links to those of an example."""
    example = next(path for path in sorted(EXAMPLES.iterdir()) if path.is_dir())
    for number in range(count):
        run = folder / f"run_{number}"
        run.mkdir()
        for path in example.iterdir():
            os.link(path, run / path.name) if _same_disk(path, run) else _copy(path, run)


def _same_disk(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev


def _copy(path: Path, folder: Path) -> None:
    (folder / path.name).write_bytes(path.read_bytes())


if __name__ == "__main__":
    main()
