"""Answers while patches are taken away."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.claims.parts import Ground, Rows, attention_of, kept, mean
from maskaq.data.scenes import Scenes, scenes
from maskaq.evaluation.deletion import FILLS, ORDERS, Curves, curves, ranking
from maskaq.quantization.conversion.freeze import freeze

SCENES = 500


def deletion(folder: Path, ground: Ground) -> pd.DataFrame:
    """Every filling and order, all models on the same pictures."""
    batch = scenes("evaluation", range(SCENES))
    alpha = attention_of(ground.loaded, ground.loaded.normalise(batch.images))
    fast = [freeze(model) for model in ground.models.values()]
    parts = []
    for fill, order in itertools.product(FILLS, ORDERS):
        make = partial(followed, ground, fast, batch, alpha, fill, order)
        parts.append(kept(folder, f"{fill} {order}", make))
    return pd.concat(parts, ignore_index=True)


def followed(
    ground: Ground,
    fast: Sequence[nn.Module],
    batch: Scenes,
    alpha: Tensor,
    fill: str,
    order: str,
) -> Rows:
    """The curves and the areas under them, means over scenes."""
    events = curves(
        fast,
        ground.loaded.normalise(batch.images),
        batch.labels,
        ranking(alpha, order, torch.Generator().manual_seed(0)),
        ground.loaded.grid,
        fill=fill,
    )
    *_, found = tqdm(events, desc=f"{fill}, {order}")
    assert isinstance(found, Curves)
    measures = {
        "accuracy": found.hits.double(),
        "agreement": found.same.double(),
        "apart": found.divergence,
        "moved": found.moved,
    }
    for measure, values in measures.items():  # [M,K,n]
        areas = found.area(values)  # [M,n]
        for number, model in enumerate(ground.models):
            said = {"fill": fill, "order": order, "model": model, "measure": measure}
            for place, share in enumerate(found.shares.tolist()):
                yield {**said, "share": share, **mean(values[number, place])}
            yield {**said, "share": -1.0, **mean(areas[number])}
