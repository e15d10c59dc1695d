"""Helpers shared by the tables: models, cached parts, means over images."""

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
EXPLAINED = 200  # scenes for attributions, which take many passes each

Floats = NDArray[np.floating]
Rows = Iterator[dict[str, object]]


class Context(NamedTuple):
    """P, every model by name (P first), and the folder of the runs that made Q."""

    loaded: LoadedModel
    models: dict[str, nn.Module]
    runs: Path


def cached(folder: Path, name: str, make: Callable[[], Rows]) -> pd.DataFrame:
    """One part of a table, read from its file if it was measured before."""
    path = folder / f"{name.replace(' ', '-')}.parquet"
    if path.is_file():
        return pd.read_parquet(path)
    table = pd.DataFrame(make())
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        table.to_parquet(draft)
    return table


def mean(values: Floats | Tensor) -> dict[str, float]:
    """Mean and 95 % interval over images [n], without undefined values."""
    array = np.asarray(values, np.float64)
    return student(array[np.isfinite(array)].tolist())._asdict()


@torch.no_grad()
def attention_of(loaded: LoadedModel, inputs: Tensor) -> Tensor:
    """P's alpha [n,N]."""
    parts = []
    for part in inputs.split(AT_ONCE):
        with record(loaded.model) as maps:
            loaded.model(part)
        parts.append(patch_attention(maps, loaded.prefix))
    return torch.cat(parts)


def explain(
    method: str, loaded: LoadedModel, model: nn.Module, inputs: Tensor, targets: Tensor
) -> Tensor:
    """Attribution of the patches [n,N] to classes int64 [n]."""
    pairs = list(zip(inputs.split(16), targets.split(16), strict=True))
    return torch.cat(
        [
            ATTRIBUTIONS[method](AttributionTask(model, images, target, loaded.grid, loaded.prefix))
            for images, target in tqdm(pairs, desc=method, leave=False)
        ]
    )
