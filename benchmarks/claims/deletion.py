"""Accuracy and agreement while patches are removed."""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.claims.parts import Context, Rows, attention_of, cached, mean
from maskaq.data.scenes import Scenes, scenes
from maskaq.evaluation.deletion import FILLS, ORDERS, Curves, curves, ranking
from maskaq.quantization.conversion.freeze import freeze

SCENES = 500


def deletion_table(folder: Path, context: Context) -> pd.DataFrame:
    """Every filling and order, all models on the same images."""
    batch = scenes("evaluation", range(SCENES))
    alpha = attention_of(context.loaded, context.loaded.normalise(batch.images))
    fast = [freeze(model) for model in context.models.values()]
    parts = []
    for fill, order in itertools.product(FILLS, ORDERS):
        make = partial(measure, context, fast, batch, alpha, fill, order)
        parts.append(cached(folder, f"{fill} {order}", make))
    return pd.concat(parts, ignore_index=True)


def measure(
    context: Context,
    fast: Sequence[nn.Module],
    batch: Scenes,
    alpha: Tensor,
    fill: str,
    order: str,
) -> Rows:
    """Means over scenes of the curves and of the areas under them (share -1)."""
    events = curves(
        fast,
        context.loaded.normalise(batch.images),
        batch.labels,
        ranking(alpha, order, torch.Generator().manual_seed(0)),
        context.loaded.grid,
        fill=fill,
    )
    *_, result = tqdm(events, desc=f"{fill}, {order}")
    assert isinstance(result, Curves)
    measures = {
        "accuracy": result.hits.double(),
        "agreement": result.same.double(),
        "apart": result.divergence,
        "moved": result.moved,
    }
    for name, values in measures.items():  # [M,K,n]
        areas = result.area(values)  # [M,n]
        for number, model in enumerate(context.models):
            columns = {"fill": fill, "order": order, "model": model, "measure": name}
            for index, share in enumerate(result.shares.tolist()):
                yield {**columns, "share": share, **mean(values[number, index])}
            yield {**columns, "share": -1.0, **mean(areas[number])}
