"""How a sweep scales with its workers, and the bytes it transfers.

    python -m benchmarks.scaling --workers 1 2 4 8

Small but real runs of method `mimiq` on `scenes_vit`: each has its own seed, so no samples are
shared. One thread per worker. Workers are warm: each has done a run before the clock starts. The
last lines are about Dask alone: the empty tasks that its scheduler distributes per second, and the
memory that it keeps for each.
"""

import argparse
import json
import os
import resource
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.config.sample_key import batches
from maskaq.jobs import connection
from maskaq.jobs import sweep as sweeping
from maskaq.jobs.connection import Processes, Settings
from maskaq.results import listing

EMPTY = 5000  # tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", nargs="+", type=int, default=[1, 2, 4, 8])
    parser.add_argument("--runs", type=int, default=16)
    args = parser.parse_args()
    print(f"{os.cpu_count()} processors, {args.runs} runs of 8 images and 50 steps, 500 scenes\n")
    print("| workers | seconds | runs an hour | speed-up | of the ideal |\n" + "|---" * 5 + "|")
    first = 0.0
    for workers in args.workers:
        link = connection.reach(Settings(workers=workers, threads=1))
        try:
            seconds = measure(link, workers, args.runs)
            if workers == args.workers[-1]:
                last = transfers(link), scheduler(link)
        finally:
            link.close()
        first = first or seconds * args.workers[0]
        gain = first / seconds
        cells = f"{seconds:.0f} | {3600 * args.runs / seconds:.0f} | {gain:.2f}"
        print(
            f"| {workers} | {cells} | {gain / min(workers, os.cpu_count() or 1):.0%} |", flush=True
        )
    print("\n" + "\n".join(last))


def spec(seed: int) -> RunSpec:
    base = spec_of("mimiq")
    made = replace(base.synthesis, images=8, steps=50)
    fit = replace(base.fit, backend="mse")
    return replace(base, synthesis=made, fit=fit, eval_images=500, seed=seed)


def measure(link: Processes, workers: int, runs: int) -> float:
    """Seconds of a sweep."""
    link.client.wait_for_workers(workers)
    with tempfile.TemporaryDirectory() as place:
        sweep(link, [spec(1000 + seed) for seed in range(2 * workers)], Path(place))
    with tempfile.TemporaryDirectory() as place:
        began = time.perf_counter()
        sweep(link, [spec(seed) for seed in range(runs)], Path(place))
        return time.perf_counter() - began


def sweep(link: Processes, specs: list[RunSpec], out: Path) -> None:
    outcome = sweeping.sweep(sweeping.plan(specs, out), link, lambda *_: None)
    assert not outcome.failed, outcome.failed
    assert len(listing.list_runs(out)) == len(specs)


def transfers(link: Processes) -> str:
    """The bytes that one run transfers, as text."""
    from maskaq.jobs import sweep_tasks

    text = json.dumps(asdict(spec(0)))
    parts = {f"batch{n}": sweep_tasks.draw_batch(text, n) for n in batches(spec(0))}
    files = sweep_tasks.run_cell(text, parts)["files"]
    samples = sum(len(part["state"]) for part in parts.values())
    back = sum(map(len, files.values()))
    return (
        f"bytes per run: spec {len(text):,}; samples {samples:,} from the worker that makes "
        f"them to the worker that fits Q; result {back:,} back"
    )


def scheduler(link: Processes) -> str:
    """Throughput and memory of Dask's scheduler, as text."""
    client = link.client
    before = client.run_on_scheduler(_memory)
    began = time.perf_counter()
    tasks = [client.submit(_nothing, n, pure=False) for n in range(EMPTY)]
    client.gather(tasks)
    rate = EMPTY / (time.perf_counter() - began)
    kept = (client.run_on_scheduler(_memory) - before) * 1024 / EMPTY
    return f"scheduler: {rate:,.0f} empty tasks a second, {kept:,.0f} bytes kept for each"


def _nothing(number: int) -> int:
    return number


def _memory() -> int:
    """Peak of the process in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
