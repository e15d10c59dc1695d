"""The answers of the bundled models to the evaluation scenes, so that runs need not repeat them.

`python -m benchmarks.p_answers` writes them. They hold for one weights file, whose SHA-256 is
stored with them: for any other there are none.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from maskaq.files import sha256
from maskaq.precomputed import showcase

FILE = showcase.FOLDER / "p_answers.safetensors"
Integers = NDArray[np.int64]


class ShippedAnswers(NamedTuple):
    """Predicted classes and ranks of the labels, [N] each, as in `evaluation.accuracy.Answers`."""

    classes: Integers
    ranks: Integers


def read(weights: Path, count: int) -> ShippedAnswers | None:
    """The answers of a bundled model to the first scenes; None if none are stored for its weights.

    weights: the file of its weights, named after the model. count: of scenes, at most 5 000.
    """
    if not FILE.is_file():
        return None
    model = weights.stem
    with safe_open(FILE, "np") as file:
        known: dict[str, str] = json.loads(file.metadata()["weights"])
        if model not in known or known[model] != sha256(weights):
            return None
        both = (file.get_tensor(f"{model}.{name}") for name in ShippedAnswers._fields)
        return ShippedAnswers(*(values[:count].astype(np.int64) for values in both))
