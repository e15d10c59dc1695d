"""The answers of the bundled models to the evaluation scenes, so that runs need not repeat them.

`python -m benchmarks.p_answers` writes them. They hold for one weights file, whose SHA-256 is
stored with them: for any other there are none.
"""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from maskaq.precomputed import showcase

FILE = showcase.FOLDER / "p_answers.safetensors"
CHECKPOINTS = Path(__file__).parents[1] / "models" / "checkpoints"
Integers = NDArray[np.int64]


class ShippedAnswers(NamedTuple):
    """Predicted classes and ranks of the labels, [N] each, as in `evaluation.accuracy.Answers`."""

    classes: Integers
    ranks: Integers


def read(model: str, count: int) -> ShippedAnswers | None:
    """The answers of a bundled model to the first scenes; None if none are stored for its weights.

    count: number of scenes, at most 5 000.
    """
    if not FILE.is_file():
        return None
    with safe_open(FILE, "np") as file:
        weights: dict[str, str] = json.loads(file.metadata()["weights"])
        if model not in weights or weights[model] != sha256(model):
            return None
        both = (file.get_tensor(f"{model}.{name}") for name in ShippedAnswers._fields)
        return ShippedAnswers(*(values[:count].astype(np.int64) for values in both))


@cache
def sha256(model: str) -> str:
    """Of the weights file of a bundled model."""
    return hashlib.sha256((CHECKPOINTS / f"{model}.safetensors").read_bytes()).hexdigest()
