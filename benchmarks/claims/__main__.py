"""MaskAQ's two claims, tested where the truth is known: tables for the app's page Claims.

    python -m benchmarks.sources --bits W8A8 W4A4 W3A3 W2A4 --examples
    python -m benchmarks.claims

Reads the Q of the runs that the first command stored under --runs and writes to
`maskaq/precomputed/data/`. Finished parts are cached under --out, so a stopped measurement resumes.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks.claims.attributions import attribution_table
from benchmarks.claims.deletion import deletion_table
from benchmarks.claims.information import information_table
from benchmarks.claims.parts import Context
from benchmarks.claims.regions import occlusion_table, region_table
from benchmarks.showcase import models
from maskaq.models.loading import load_model
from maskaq.precomputed.claims import FOLDER, NAMES

PARTS: dict[str, tuple[Callable[[Path, Context], pd.DataFrame], ...]] = {
    "regions": (region_table, occlusion_table),
    "deletion": (deletion_table,),
    "information": (information_table,),
    "attributions": (attribution_table,),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/sources"))
    parser.add_argument("--out", type=Path, default=Path("runs/claims"))
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    loaded = load_model("scenes_vit")
    context = Context(loaded, dict(models(loaded, args.runs)), args.runs)
    for name in args.only:
        made = [part(args.out / name, context) for part in PARTS[name]]
        pd.concat(made, ignore_index=True).to_parquet(FOLDER / f"claims_{name}.parquet")
        print(f"{name}: {NAMES[name]}")


if __name__ == "__main__":
    main()
