"""Seven ways to weigh patches, in P and in Q: against the object, against attention, against P."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.claims.parts import (
    EXPLAINED,
    Ground,
    Rows,
    attention_of,
    explain,
    kept,
    mean,
)
from benchmarks.showcase import shown
from maskaq.data.scenes import Scenes, scenes
from maskaq.evaluation.accuracy import classes
from maskaq.evaluation.attributions import (
    ATTRIBUTIONS,
    AttributionTask,
    completeness,
    rank_correlation,
)
from maskaq.evaluation.region_quality import mask_quality, weight_quality
from maskaq.precomputed.claims import FOLDER, MAPS, METHODS
from maskaq.regions.numpy_masks import foreground_patches, mask_of

RATIO = 0.3  # of the masks that are compared
FEW = 50  # scenes for completeness


def attributed(folder: Path, ground: Ground) -> pd.DataFrame:
    """All methods in all models, each for the classes that P names."""
    batch = scenes("evaluation", range(EXPLAINED))
    inputs = ground.loaded.normalise(batch.images)
    targets = classes(ground.loaded.model, inputs)
    parts = []
    for method in ATTRIBUTIONS:
        make = partial(compared, ground, method, batch, inputs, targets)
        parts.append(kept(folder, method, make))
    make = partial(complete, ground, inputs[:FEW], targets[:FEW])
    pictured(ground)
    return pd.concat([*parts, kept(folder, "gap", make)], ignore_index=True)


def pictured(ground: Ground) -> None:
    """The maps of the eight scenes that pages show, for the class that P names."""
    inputs = ground.loaded.normalise(shown().images)
    targets = classes(ground.loaded.model, inputs)
    made = {}
    for name, model in ground.models.items():
        found = [
            explain(how, ground.loaded, model, inputs, targets) for how in METHODS
        ]  # [8,N] each
        made[name] = torch.stack(found, 1).to(torch.float16).contiguous()  # [8,M,N]
    save_file(made, FOLDER / MAPS)


def compared(ground: Ground, method: str, batch: Scenes, inputs: Tensor, targets: Tensor) -> Rows:
    """One method in every model, P first."""
    loaded = ground.loaded
    truth = foreground_patches(batch.foreground.numpy(), loaded.grid)  # [n,N]
    alpha = attention_of(loaded, inputs)
    informative = mask_of(alpha.numpy(), RATIO)  # [n,N]
    of_p: Tensor | None = None
    for name, model in ground.models.items():
        weights = explain(method, loaded, model, inputs, targets)
        of_p = weights if of_p is None else of_p
        found = {
            **weight_quality(weights.numpy(), truth),
            "precision": mask_quality(weights.numpy(), truth, RATIO)["precision"],
            "in the informative mask": mask_quality(weights.numpy(), informative, RATIO)[
                "precision"
            ],
            "rank correlation with attention": rank_correlation(weights, alpha),
            "rank correlation with P": rank_correlation(weights, of_p),
        }
        for measure, values in found.items():
            yield {"method": method, "model": name, "measure": measure, **mean(values)}


def complete(ground: Ground, inputs: Tensor, targets: Tensor) -> Rows:
    """By how much Integrated Gradients fails to sum to the difference of the outputs."""
    loaded = ground.loaded
    for name, model in ground.models.items():
        task = AttributionTask(model, inputs, targets, loaded.grid, loaded.prefix)
        about = {"method": "integrated gradients", "model": name, "measure": "completeness gap"}
        yield {**about, **mean(completeness(task))}
