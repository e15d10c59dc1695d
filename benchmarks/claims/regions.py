"""How maps over the patches meet the object."""

from __future__ import annotations

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
    Floats,
    Ground,
    Rows,
    explain,
    kept,
    mean,
)
from benchmarks.sources import run_folder
from maskaq.data.scenes import scenes
from maskaq.evaluation.accuracy import classes
from maskaq.evaluation.region_quality import centre_prior, mask_quality, weight_quality
from maskaq.models.attention import record
from maskaq.regions.mask import class_rows
from maskaq.regions.numpy_masks import foreground_patches, mask_of

SCENES = 5000
RATIOS = [round(0.05 * step, 2) for step in range(1, 21)]
FEW = (0.1, 0.3, 0.5)  # for single blocks and heads

Truth = NDArray[np.bool_]


def regions(folder: Path, ground: Ground) -> pd.DataFrame:
    """All scenes, the foreground being the truth."""
    batch = scenes("evaluation", range(SCENES))
    truth = foreground_patches(batch.foreground.numpy(), ground.loaded.grid)  # [n,N]
    place = {"images": "scenes", "truth": "foreground"}
    parts = [
        kept(folder, name, partial(attended, ground, name, batch.images, truth, place, single=True))
        for name in ground.models
    ]
    parts.append(kept(folder, "priors", partial(priors, ground, truth, place)))
    return pd.concat(parts, ignore_index=True)


def stand_in(folder: Path, ground: Ground) -> pd.DataFrame:
    """Synthetic images, whose truth nobody knows; and scenes by the same measure, to compare.

    P's own occlusion takes the place of the truth: as many patches as an object covers on average.
    """
    path = run_folder(ground.runs, "W4A4", "maskaq") / "samples.safetensors"
    drawn = torch.from_numpy(load_file(path)["images"])
    batch = scenes("evaluation", range(EXPLAINED))
    usual = foreground_patches(batch.foreground.numpy(), ground.loaded.grid).mean()
    parts = []
    for images, pixels in (("synthetic", drawn), ("scenes", batch.images)):
        place = {"images": images, "truth": "occlusion"}
        inputs = ground.loaded.normalise(pixels)
        targets = classes(ground.loaded.model, inputs)
        falls = explain("occlusion", ground.loaded, ground.loaded.model, inputs, targets)
        truth = mask_of(falls.numpy(), float(usual))  # [n,N]
        for name in ground.models:
            make = partial(attended, ground, name, pixels, truth, place)
            parts.append(kept(folder, f"{images} occlusion {name}", make))
        make = partial(priors, ground, truth, place)
        parts.append(kept(folder, f"{images} occlusion", make))
    return pd.concat(parts, ignore_index=True)


def attended(
    ground: Ground,
    name: str,
    pixels: Tensor,
    truth: Truth,
    place: dict[str, str],
    single: bool = False,
) -> Rows:
    """What the class token attends to; `single`: also in every block and head alone."""
    loaded, found = ground.loaded, []
    for part in tqdm(pixels.split(AT_ONCE), desc=f"{place['images']}, {name}"):
        with torch.no_grad(), record(ground.models[name]) as maps:
            ground.models[name](loaded.normalise(part))
        rows_of = [class_rows(block.probs, loaded.prefix) for block in maps]  # [B,H,N] each
        found.append(torch.stack(rows_of, 1))
    rows = torch.cat(found).permute(1, 2, 0, 3).numpy()  # [L,H,n,N]
    about = {**place, "map": "attention", "model": name}
    yield from scored(rows.mean((0, 1)), truth, RATIOS, {**about, "block": -1, "head": -1})
    for block in range(len(rows) if single else 0):
        yield from scored(rows[block].mean(0), truth, FEW, {**about, "block": block, "head": -1})
        for head in range(rows.shape[1]):
            where = {**about, "block": block, "head": head}
            yield from scored(rows[block, head], truth, FEW, where)


def priors(ground: Ground, truth: Truth, place: dict[str, str]) -> Rows:
    """Maps that have not seen the picture: random ones, and one that points to the middle."""
    chance = np.random.default_rng(0).random(truth.shape)  # [n,N]
    middle = np.broadcast_to(centre_prior(ground.loaded.grid), truth.shape)  # [n,N]
    for kind, weights in (("random", chance), ("centre", middle)):
        about = {**place, "map": kind, "model": "none", "block": -1, "head": -1}
        yield from scored(weights, truth, RATIOS, about)


def scored(
    weights: Floats, truth: Truth, ratios: Sequence[float], about: dict[str, object]
) -> Rows:
    for ratio in ratios:
        for measure, values in mask_quality(weights, truth, ratio).items():
            yield {**about, "ratio": ratio, "measure": measure, **mean(values)}
    for measure, values in weight_quality(weights, truth).items():
        yield {**about, "ratio": np.nan, "measure": measure, **mean(values)}
