"""Information of some patches about the answer, in bits."""

from functools import partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.claims.parts import AT_ONCE, Context, Rows, attention_of, cached
from maskaq.data.scenes import scenes
from maskaq.evaluation.accuracy import classes
from maskaq.evaluation.deletion import FILLS, ranking, replace_patches
from maskaq.evaluation.information import entropy, fit, information
from maskaq.models.loading import LoadedModel
from maskaq.quantization.conversion.freeze import freeze
from maskaq.regions.numpy_masks import patch_count

COUNTS = {"calibration": 500, "evaluation": 1000}  # scenes to fit the guess on, and for the bound
RATIOS = (0.1, 0.3, 0.5)
KINDS = ("informative", "as many others", "all others")


def information_table(folder: Path, context: Context) -> pd.DataFrame:
    """Information of the remaining patches about the answer for the whole image."""
    fast = {name: freeze(model) for name, model in context.models.items()}
    made = [cached(folder, fill, partial(measure, context, fast, fill)) for fill in FILLS]
    return pd.concat(made, ignore_index=True)


def measure(context: Context, fast: dict[str, nn.Module], fill: str) -> Rows:
    """All models with one filling."""
    loaded, sides = context.loaded, {}
    for split, count in COUNTS.items():
        inputs = loaded.normalise(scenes(split, range(count)).images)
        side = inputs.shape[2] // loaded.grid[0]
        filled = torch.cat(
            [FILLS[fill](x, side, torch.Generator().manual_seed(0)) for x in inputs.split(AT_ONCE)]
        )
        sides[split] = inputs, filled, attention_of(loaded, inputs)
    for name, model in fast.items():
        answers = {split: classes(model, inputs) for split, (inputs, *_) in sides.items()}
        entire = entropy(answers["evaluation"])
        for ratio in tqdm(RATIOS, desc=f"information, {fill}, {name}"):
            for patches in KINDS:
                logits = {}
                for split, (inputs, filled, alpha) in sides.items():
                    away = ~remaining(alpha, ratio, patches)
                    logits[split] = logits_of(model, inputs, filled, away, loaded)
                predictor = fit(logits["calibration"], answers["calibration"])
                bound = information(predictor, logits["evaluation"], answers["evaluation"])
                about = {"fill": fill, "ratio": ratio, "patches": patches, "model": name}
                own = {
                    "entropy": entire,
                    "heat": predictor.temperature,
                    "blind": predictor.prior_weight,
                }
                yield {**about, **bound._asdict(), **own}


def remaining(alpha: Tensor, ratio: float, patches: str) -> Tensor:
    """The patches that remain: bool [n,N]."""
    count = patch_count(alpha.shape[1], ratio)
    first = ranking(alpha, "informative", torch.Generator()) < count  # [n,N]
    if patches == "informative":
        return first
    if patches == "all others":
        return ~first
    random = torch.rand(alpha.shape, generator=torch.Generator().manual_seed(1))
    return random.masked_fill(first, 2).argsort(-1).argsort(-1) < count  # [n,N]


@torch.no_grad()
def logits_of(
    model: nn.Module, inputs: Tensor, filled: Tensor, away: Tensor, loaded: LoadedModel
) -> Tensor:
    """Logits [n,K] of images with some patches replaced."""
    parts = zip(inputs.split(AT_ONCE), filled.split(AT_ONCE), away.split(AT_ONCE), strict=True)
    return torch.cat(
        [model(replace_patches(x, other, gone, loaded.grid)) for x, other, gone in parts]
    )
