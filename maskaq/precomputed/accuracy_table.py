"""The shipped table of accuracies: every source with every back-end; read without torch.

`python -m benchmarks.accuracy --store` writes it, one part per model. That of `scenes_vit` uses the
settings that the methods had until November 2026: more synthesis steps at a lower rate, and block
reconstruction with learned rounding. It leaves out the finetuning at few bits.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from maskaq.files import reading
from maskaq.intervals import student
from maskaq.precomputed import showcase

FILE = showcase.FOLDER / "accuracy.json"
SETTINGS = (  # in which the shipped table differs from the methods as they are now
    "synthesis.steps=100",
    "synthesis.lr=0.05",
    "fit.reconstruction.steps=40",
    "fit.reconstruction.tune=0",
)
COMMAND = f"python -m benchmarks.accuracy --seed 0 1 2 --set {' '.join(SETTINGS)} --store"


@dataclass(frozen=True)
class Cell:
    """One run of the table.

    p, q: the main metric of the model's task for P and Q on the same n images, in 0..1. q_low,
    q_high: Q's 95 % interval over images (Wilson's, or of a bootstrap for mIoU and AP).
    seconds: duration of fit and evaluation. drawing: duration of the synthesis, in seconds; cells
    with the same samples share it.
    """

    model: str
    source: str
    backend: str
    bits: str
    seed: int
    p: float
    q: float
    q_low: float
    q_high: float
    n: int
    seconds: float
    drawing: float


@dataclass(frozen=True, eq=False)
class AccuracyTable:
    """The cells of one model, one row each with the fields of `Cell`, and where they come from.

    command: that measured them. created: time in ISO 8601. device: that they ran on.
    """

    table: pd.DataFrame
    command: str
    created: str
    device: str


def write(model: str, cells: list[Cell], about: Mapping[str, str], path: Path) -> None:
    """Replace the stored cells of one model.

    about: `command`, `created` and `device`, see `AccuracyTable`.
    """
    values: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    values[model] = dict(about) | {"cells": [asdict(cell) for cell in cells]}
    path.write_text(json.dumps(values, indent=1) + "\n")


def read(path: Path) -> dict[str, AccuracyTable]:
    """The stored tables by model; empty without a file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.is_file():
        return {}
    with reading(path, f"recreate it with `{COMMAND}`"):
        values: dict[str, Any] = json.loads(path.read_text())
        names = list(Cell.__dataclass_fields__)
        return {
            model: AccuracyTable(pd.DataFrame(part.pop("cells"))[names], **part)
            for model, part in values.items()
        }


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Average cells, given as rows with the fields of `Cell`, over seeds.

    Returns one row per bits, source and back-end with the columns bits, source, backend, p, q
    (means over seeds), lowest, highest (over seeds), low, high, seeds, n and seconds (mean). low
    and high are a 95 % interval: with several seeds Student's interval of the mean over repeated
    synthesis and fitting, on the same images; with one seed the interval over images.
    """
    rows = []
    for key, cells in table.groupby(["bits", "source", "backend"], sort=False):
        values = [float(value) for value in cells["q"]]
        mean, low, high, seeds = student(values)
        if seeds == 1:
            low, high = float(cells["q_low"].iloc[0]), float(cells["q_high"].iloc[0])
        bounds = (min(values), max(values), max(0.0, low), min(1.0, high))
        count, seconds = int(cells["n"].iloc[0]), float(cells["seconds"].mean())
        rows.append((*key, float(cells["p"].mean()), mean, *bounds, seeds, count, seconds))
    columns = ["bits", "source", "backend", "p", "q", "lowest", "highest", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "seeds", "n", "seconds"])
