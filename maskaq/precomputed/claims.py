"""What MaskAQ's two claims came to on the bundled model: tables that ship with the library.

Made by `python -m benchmarks.claims`, read without torch. Intervals are 95 % over images.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from maskaq.errors import OptionError, RunError, unknown
from maskaq.precomputed.showcase import FOLDER, MODELS

__all__ = ["COMMAND", "FOLDER", "METHODS", "MODELS", "NAMES", "maps", "read"]

COMMAND = "python -m benchmarks.claims"
METHODS = (  # those of `maskaq.evaluation.attributions`, which loads torch; a test compares
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
    "regions": "how maps over the patches meet the object",
    "deletion": "answers while patches are taken away",
    "information": "what some patches tell about the answer, in bits",
    "attributions": "seven ways to weigh patches, in P and in Q",
}


def read(name: str) -> pd.DataFrame:
    """One table.

    `regions`: columns images (`scenes`, `synthetic`), truth (`foreground`; or `occlusion`, the
    patches that P's own answer hangs on), map (`attention`, `random`, `centre`), model, block and
    head (-1: mean over them), ratio (NaN where none is needed), measure, value, low, high, n.
    `deletion`: fill, order, model, measure (accuracy, agreement, apart, moved), share (of patches
    away; -1: area under the curve), value, low, high, n; the last two measures in bits.
    `information`: fill, ratio, patches (`informative`, `as many others`, `all others`), model,
    value, low, high, n, entropy (of the answers), all in bits; heat and blind (of the guess).
    `attributions`: method, model, measure, value, low, high, n.

    Raises:
        OptionError: no such table. RunError: it is not there or cannot be read.
    """
    if name not in NAMES:
        raise OptionError(unknown("table", name, NAMES))
    path = FOLDER / f"claims_{name}.parquet"
    try:
        changed = path.stat().st_mtime_ns
        return _read(path, changed).copy()  # what is remembered must not change
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}); `{COMMAND}` makes it anew.") from error


@lru_cache(maxsize=len(NAMES))
def _read(path: Path, changed: int) -> pd.DataFrame:
    return pd.read_parquet(path)


@lru_cache(maxsize=64)
def maps(scene: int, model: str) -> NDArray[np.float32]:
    """How each of `METHODS` weighs the patches of one of the eight scenes, for P's answer: [M,N].

    Raises:
        OptionError: no such scene or model. RunError: as `read`.
    """
    path = FOLDER / MAPS
    if model not in MODELS:
        raise OptionError(unknown("model", model, MODELS))
    try:
        with safe_open(path, "np") as file:
            every = file.get_tensor(model)  # [scenes,M,N]
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read ({error}); `{COMMAND}` makes it anew.") from error
    if not 0 <= scene < len(every):
        raise OptionError(f"scene is {scene!r}; allowed: 0 to {len(every) - 1}.")
    found: NDArray[np.float32] = every[scene].astype(np.float32)
    found.setflags(write=False)  # shared by all visitors
    return found
