"""How well maps over the patches find the object."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file
from torch import Tensor
from tqdm import tqdm

from benchmarks.claims.parts import (
    AT_ONCE,
    EXPLAINED,
    Context,
    Floats,
    Rows,
    cached,
    explain,
    mean,
)
from benchmarks.sources import run_folder
from maskaq.data.scenes import scenes
from maskaq.evaluation.accuracy import classes
from maskaq.evaluation.region_quality import centre_prior, mask_quality, weight_quality
from maskaq.models.attention import record
from maskaq.regions.mask import class_attention
from maskaq.regions.numpy_masks import foreground_patches, mask_of

SCENES = 5000
RATIOS = [round(0.05 * step, 2) for step in range(1, 21)]
FEW = (0.1, 0.3, 0.5)  # for single blocks and heads

Truth = NDArray[np.bool_]


def region_table(folder: Path, context: Context) -> pd.DataFrame:
    """All scenes, with the foreground as truth."""
    batch = scenes("evaluation", range(SCENES))
    truth = foreground_patches(batch.foreground.numpy(), context.loaded.grid)  # [n,N]
    place = {"images": "scenes", "truth": "foreground"}
    parts = []
    for name in context.models:
        make = partial(attention_quality, context, name, batch.images, truth, place, single=True)
        parts.append(cached(folder, name, make))
    parts.append(cached(folder, "priors", partial(prior_quality, context, truth, place)))
    return pd.concat(parts, ignore_index=True)


def occlusion_table(folder: Path, context: Context) -> pd.DataFrame:
    """Synthetic images, whose truth is unknown, and scenes with the same measure for comparison.

    Occlusion in P replaces the truth: as many patches as an object covers on average.
    """
    path = run_folder(context.runs, "W4A4", "maskaq") / "samples.safetensors"
    synthetic = torch.from_numpy(load_file(path)["images"])
    batch = scenes("evaluation", range(EXPLAINED))
    share = foreground_patches(batch.foreground.numpy(), context.loaded.grid).mean()
    parts = []
    for images, pixels in (("synthetic", synthetic), ("scenes", batch.images)):
        place = {"images": images, "truth": "occlusion"}
        inputs = context.loaded.normalise(pixels)
        targets = classes(context.loaded.model, inputs)
        drops = explain("occlusion", context.loaded, context.loaded.model, inputs, targets)
        truth = mask_of(drops.numpy(), float(share))  # [n,N]
        for name in context.models:
            make = partial(attention_quality, context, name, pixels, truth, place)
            parts.append(cached(folder, f"{images} occlusion {name}", make))
        make = partial(prior_quality, context, truth, place)
        parts.append(cached(folder, f"{images} occlusion", make))
    return pd.concat(parts, ignore_index=True)


def attention_quality(
    context: Context,
    name: str,
    pixels: Tensor,
    truth: Truth,
    place: dict[str, str],
    single: bool = False,
) -> Rows:
    """Quality of the class token's attention; `single`: also of single blocks and heads."""
    loaded, parts = context.loaded, []
    for part in tqdm(pixels.split(AT_ONCE), desc=f"{place['images']}, {name}"):
        with torch.no_grad(), record(context.models[name]) as maps:
            context.models[name](loaded.normalise(part))
        rows_of = [class_attention(block.probs, loaded.prefix) for block in maps]  # [B,H,N] each
        parts.append(torch.stack(rows_of, 1))  # [B,L,H,N]
    rows = torch.cat(parts).permute(1, 2, 0, 3).numpy()  # [L,H,n,N]
    about = {**place, "map": "attention", "model": name}
    yield from quality_rows(rows.mean((0, 1)), truth, RATIOS, {**about, "block": -1, "head": -1})
    for block in range(len(rows) if single else 0):
        yield from quality_rows(
            rows[block].mean(0), truth, FEW, {**about, "block": block, "head": -1}
        )
        for head in range(rows.shape[1]):
            where = {**about, "block": block, "head": head}
            yield from quality_rows(rows[block, head], truth, FEW, where)


def prior_quality(context: Context, truth: Truth, place: dict[str, str]) -> Rows:
    """Maps that do not depend on the image: random ones and the centre prior."""
    chance = np.random.default_rng(0).random(truth.shape)  # [n,N]
    middle = np.broadcast_to(centre_prior(context.loaded.grid), truth.shape)  # [n,N]
    for kind, weights in (("random", chance), ("centre", middle)):
        about = {**place, "map": kind, "model": "none", "block": -1, "head": -1}
        yield from quality_rows(weights, truth, RATIOS, about)


def quality_rows(
    weights: Floats, truth: Truth, ratios: Sequence[float], about: dict[str, object]
) -> Rows:
    for ratio in ratios:
        for measure, values in mask_quality(weights, truth, ratio).items():
            yield {**about, "ratio": ratio, "measure": measure, **mean(values)}
    for measure, values in weight_quality(weights, truth).items():
        yield {**about, "ratio": np.nan, "measure": measure, **mean(values)}
