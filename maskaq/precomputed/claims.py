"""Shipped tables that test MaskAQ's two claims on the bundled model; read without torch.

`python -m benchmarks.claims` writes them. Intervals are 95 % over images.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from maskaq.errors import OptionError, unknown
from maskaq.files import reading
from maskaq.precomputed.showcase import FOLDER, MODELS

COMMAND = "python -m benchmarks.claims"
_REMEDY = f"recreate it with `{COMMAND}`"
METHODS = (  # as in `maskaq.evaluation.attributions`, which loads torch; a test compares them
    "attention",
    "rollout",
    "saliency",
    "integrated gradients",
    "occlusion",
    "first block",
    "middle block",
)
MAPS = "claims_maps.safetensors"
NAMES = {
    "regions": "how well maps over the patches find the object",
    "deletion": "answers as patches are removed",
    "information": "information of some patches about the answer, in bits",
    "attributions": "seven attribution methods, in P and in Q",
}


def read(name: str) -> pd.DataFrame:
    """Read one table.

    `regions`: columns images (`scenes`, `synthetic`), truth (`foreground`; or `occlusion`, the
    patches that P's answer depends on), map (`attention`, `random`, `centre`), model, block and
    head (-1: mean over them), ratio (NaN for measures without a mask), measure, value, low, high,
    n.
    `deletion`: fill, order, model, measure (accuracy, agreement, apart, moved), share (of removed
    patches; -1: area under the curve), value, low, high, n. apart is KL(P || model) and moved is KL
    from the answer for the whole image, both in bits.
    `information`: fill, ratio, patches (`informative`, `as many others`, `all others`), model,
    value, low, high, n, entropy (of the answers), all in bits; heat and blind (temperature and
    prior weight of the predictor).
    `attributions`: method, model, measure, value, low, high, n.

    Raises:
        OptionError: unknown table.
        RunError: the file is missing or cannot be read.
    """
    if name not in NAMES:
        raise OptionError(unknown("table", name, NAMES))
    path = FOLDER / f"claims_{name}.parquet"
    with reading(path, _REMEDY):
        changed = path.stat().st_mtime_ns
        return _read(path, changed).copy()  # callers must not change the cached table


@lru_cache(maxsize=len(NAMES))
def _read(path: Path, changed: int) -> pd.DataFrame:
    return pd.read_parquet(path)


@lru_cache(maxsize=64)
def maps(scene: int, model: str) -> NDArray[np.float32]:
    """Patch weights by each of `METHODS` for one of the eight scenes and P's answer: [M,N].

    Raises:
        OptionError: unknown scene or model.
        RunError: as `read`.
    """
    path = FOLDER / MAPS
    if model not in MODELS:
        raise OptionError(unknown("model", model, MODELS))
    with reading(path, _REMEDY, SafetensorError), safe_open(path, "np") as file:
        weights = file.get_tensor(model)  # [scenes,M,N]
    if not 0 <= scene < len(weights):
        raise OptionError(f"scene is {scene!r}; allowed: 0 to {len(weights) - 1}.")
    found: NDArray[np.float32] = weights[scene].astype(np.float32)
    found.setflags(write=False)  # cached and shared by all visitors
    return found
