"""What the tables share: the models, parts that are kept, means over images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from maskaq.evaluation.attributions import ATTRIBUTIONS, AttributionTask
from maskaq.files import atomic_write
from maskaq.intervals import student
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import patch_attention

AT_ONCE = 100  # images
EXPLAINED = 200  # scenes whose answers are explained, which takes many passes each

Floats = NDArray[np.floating]
Rows = Iterator[dict[str, object]]


class Ground(NamedTuple):
    """P, every model by name, P first, and where the Q came from."""

    loaded: LoadedModel
    models: dict[str, nn.Module]
    runs: Path


def kept(folder: Path, name: str, make: Callable[[], Rows]) -> pd.DataFrame:
    """A part of a table, measured unless it was before."""
    path = folder / f"{name.replace(' ', '-')}.parquet"
    if path.is_file():
        return pd.read_parquet(path)
    table = pd.DataFrame(make())
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        table.to_parquet(draft)
    return table


def mean(values: Floats | Tensor) -> dict[str, float]:
    """Over images [n], without those in which it is not defined."""
    array = np.asarray(values, np.float64)
    return student(array[np.isfinite(array)].tolist())._asdict()


@torch.no_grad()
def attention_of(loaded: LoadedModel, inputs: Tensor) -> Tensor:
    """P's alpha [n,N]."""
    found = []
    for part in inputs.split(AT_ONCE):
        with record(loaded.model) as maps:
            loaded.model(part)
        found.append(patch_attention(maps, loaded.prefix))
    return torch.cat(found)


def explain(
    method: str, loaded: LoadedModel, model: nn.Module, inputs: Tensor, targets: Tensor
) -> Tensor:
    """Weights of the patches [n,N] for classes int64 [n]."""
    pairs = list(zip(inputs.split(16), targets.split(16), strict=True))
    return torch.cat(
        [
            ATTRIBUTIONS[method](AttributionTask(model, images, target, loaded.grid, loaded.prefix))
            for images, target in tqdm(pairs, desc=method, leave=False)
        ]
    )
