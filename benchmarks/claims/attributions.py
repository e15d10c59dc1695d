"""Seven attributions in P and Q, compared with the object, with attention and with P."""

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.claims.parts import (
    EXPLAINED,
    Context,
    Rows,
    attention_of,
    cached,
    explain,
    mean,
)
from benchmarks.showcase import example_scenes
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


def attribution_table(folder: Path, context: Context) -> pd.DataFrame:
    """All methods in all models, for the classes that P predicts."""
    batch = scenes("evaluation", range(EXPLAINED))
    inputs = context.loaded.normalise(batch.images)
    targets = classes(context.loaded.model, inputs)
    parts = []
    for method in ATTRIBUTIONS:
        make = partial(compare, context, method, batch, inputs, targets)
        parts.append(cached(folder, method, make))
    make = partial(completeness_gaps, context, inputs[:FEW], targets[:FEW])
    write_maps(context)
    return pd.concat([*parts, cached(folder, "gap", make)], ignore_index=True)


def write_maps(context: Context) -> None:
    """The maps of the eight scenes that the app shows, for the class that P predicts."""
    inputs = context.loaded.normalise(example_scenes().images)
    targets = classes(context.loaded.model, inputs)
    made = {}
    for name, model in context.models.items():
        found = [
            explain(how, context.loaded, model, inputs, targets) for how in METHODS
        ]  # [8,N] each
        made[name] = torch.stack(found, 1).to(torch.float16).contiguous()  # [8,M,N]
    save_file(made, FOLDER / MAPS)


def compare(context: Context, method: str, batch: Scenes, inputs: Tensor, targets: Tensor) -> Rows:
    """One method in every model, P first."""
    loaded = context.loaded
    truth = foreground_patches(batch.foreground.numpy(), loaded.grid)  # [n,N]
    alpha = attention_of(loaded, inputs)
    informative = mask_of(alpha.numpy(), RATIO)  # [n,N]
    of_p: Tensor | None = None
    for name, model in context.models.items():
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


def completeness_gaps(context: Context, inputs: Tensor, targets: Tensor) -> Rows:
    """Difference between the sum of Integrated Gradients and that of the outputs."""
    loaded = context.loaded
    for name, model in context.models.items():
        task = AttributionTask(model, inputs, targets, loaded.grid, loaded.prefix)
        about = {"method": "integrated gradients", "model": name, "measure": "completeness gap"}
        yield {**about, **mean(completeness(task))}
