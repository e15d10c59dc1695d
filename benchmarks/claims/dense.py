"""What is left of the answers of segmentation and detection while patches are removed.

    python -m benchmarks.claims.dense

Needs no runs, since only P is tested. Writes one table per task, see
`maskaq.precomputed.dense_deletion`. Finished parts are cached under --out, so a stopped measurement
resumes.
"""

import argparse
import itertools
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas as pd
from torch import Tensor
from tqdm import tqdm

from benchmarks.claims.parts import Rows, attention_of, cached
from maskaq.data.scene_sets import scene_set
from maskaq.evaluation.deletion import FILLS, ORDERS
from maskaq.evaluation.dense_deletion import PATCHES, DenseCurves, dense_curves
from maskaq.files import atomic_write, sha256
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import LoadedModel, load_model
from maskaq.precomputed.dense import MODELS
from maskaq.precomputed.dense_deletion import COMMAND, path_of
from maskaq.quantization.conversion.freeze import freeze
from maskaq.runs.environment import describe

SCENES = 500
LEAST = 30  # pixels or objects; a share of fewer is not stored


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("runs/claims/dense"))
    args = parser.parse_args()
    for task in args.task:
        table = table_of(load_model(MODELS[task]), args.out / task, range(SCENES))
        with atomic_write(path_of(task)) as draft:
            table.to_parquet(draft)
        print(f"{path_of(task)}: {len(table)} rows")


def table_of(loaded: LoadedModel, folder: Path, scenes: range) -> pd.DataFrame:
    """Every filling and order on the same evaluation scenes."""
    images, truth = scene_set(loaded.task, "evaluation", scenes)
    alpha = attention_of(loaded, loaded.normalise(images))  # [n,N]
    parts = []
    for fill, order in itertools.product(FILLS, ORDERS):
        make = partial(measure, loaded, images, truth, alpha, fill, order)
        parts.append(cached(folder, f"{fill} {order}", make))
    table = pd.concat(parts, ignore_index=True)
    seconds = float(table.pop("seconds").sum())
    table = table[table["parts"] >= LEAST].reset_index(drop=True)
    table.attrs = {
        "model": loaded.name,
        "weights": sha256(BUNDLED[loaded.name].checkpoint),
        "split": "evaluation",
        "scenes": len(scenes),
        "command": COMMAND,
        "seconds": round(seconds, 1),
        "device": describe("cpu", "float32").partition(";")[0],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return table


def measure(
    loaded: LoadedModel, images: Tensor, truth: Tensor, alpha: Tensor, fill: str, order: str
) -> Rows:
    """The curves of every measure, on both kinds of patches."""
    start = time.process_time()
    events = dense_curves(loaded, freeze(loaded.model), images, truth, alpha, order, fill=fill)
    *_, found = tqdm(events, desc=f"{loaded.task}, {fill}, {order}")
    assert isinstance(found, DenseCurves)
    seconds = time.process_time() - start  # in the first row only, so that the sum is right
    for name, patches in itertools.product(found.measures, PATCHES):
        about = {"fill": fill, "order": order, "model": "P", "measure": name, "patches": patches}
        points = zip(found.at_shares(name, patches), found.parts(name, patches), strict=True)
        for share, (one, parts) in zip(found.shares.tolist(), points, strict=True):
            yield {**about, "share": share, **one._asdict(), "parts": parts, "seconds": seconds}
            seconds = 0.0


if __name__ == "__main__":
    main()
