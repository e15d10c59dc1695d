"""Shipped tables of what is left of P's dense answer as patches are removed; read without torch.

`python -m benchmarks.claims.dense` writes one file per task. Intervals are 95 % over scenes, of a
bootstrap. The numbers hold for one weights file, whose SHA-256 is stored with them.
"""

from functools import lru_cache
from pathlib import Path

import pandas as pd

from maskaq.errors import OptionError, unknown
from maskaq.files import reading
from maskaq.precomputed.dense import MODELS
from maskaq.precomputed.showcase import FOLDER

COMMAND = "python -m benchmarks.claims.dense"


def path_of(task: str) -> Path:
    """The file of a task."""
    return FOLDER / f"deletion_{task}.parquet"


def read(task: str) -> pd.DataFrame:
    """Read the table of a task.

    Columns fill, order, model (`P`), measure (see `maskaq.tasks.remaining`), patches (`remaining`,
    or `same`: those that are neither among the informative ones nor among as many of the least
    informative ones), share (of removed patches), value, low, high, all in 0..1, n (scenes), and
    parts (pixels or objects that are compared). Its `attrs` are model, weights (SHA-256), split,
    scenes, command, seconds (of processor time), device and created.

    Raises:
        OptionError: there is none for this task.
        RunError: the file is missing or cannot be read.
    """
    if task not in MODELS:
        raise OptionError(unknown("task", task, MODELS))
    path = path_of(task)
    with reading(path, f"recreate it with `{COMMAND}`"):
        changed = path.stat().st_mtime_ns
        return _read(path, changed).copy()  # callers must not change the cached table


@lru_cache(maxsize=len(MODELS))
def _read(path: Path, changed: int) -> pd.DataFrame:
    return pd.read_parquet(path)
