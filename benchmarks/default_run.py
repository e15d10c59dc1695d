"""Seconds and accuracy of the default run, measured through the command line.

    python -m benchmarks.default_run
    python -m benchmarks.default_run --method maskaq mimiq --bits W4A4 W3A3

Every run is a new process, so its seconds include the imports. Results go to
`maskaq/precomputed/data/default_run.json`, where `maskaq methods` and the documentation read them;
run `python -m benchmarks.numbers` afterwards. Measure on an idle machine: the load average is
stored and, where it matters, quoted.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path

from maskaq.precomputed import default_run
from maskaq.precomputed.default_run import MeasuredRun

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--method", nargs="+", default=["maskaq"])
    parser.add_argument("--bits", nargs="+", default=["W4A4"])
    parser.add_argument("--out", type=Path, default=default_run.FILE)
    args = parser.parse_args()
    for method, bits in itertools.product(args.method, args.bits):
        run = measure(method, bits)
        default_run.write([run], args.out)
        print(f"{method} {bits}: {run.seconds:.0f} s, Q {run.q:.1%}, load before {run.load:.1f}")


def measure(method: str, bits: str) -> MeasuredRun:
    """Run one method in a new process."""
    words = ["-m", "maskaq", "run", "--model", "scenes_vit", "--bits", bits]
    words += ["--method", method, "--seed", "0"]
    load = os.getloadavg()[0]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words, "--json"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    seconds = time.perf_counter() - began
    result = json.loads(done.stdout)
    p, q = result["fp"], result["q"]
    return MeasuredRun(
        command=" ".join(["python", *words]),
        method=method,
        bits=bits,
        seconds=round(seconds, 1),
        stages=result["seconds"],
        p=p["top1"],
        p_low=p["top1_low"],
        p_high=p["top1_high"],
        q=q["top1"],
        q_low=q["top1_low"],
        q_high=q["top1_high"],
        agreement=result["agreement"],
        n=result["evaluated"],
        device=result["device"],
        cores=os.cpu_count() or 1,
        load=round(load, 2),
        versions=result["versions"],
        created=result["created"],
    )


if __name__ == "__main__":
    main()
