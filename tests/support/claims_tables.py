"""Made-up tables of `maskaq.precomputed.claims`, small and with numbers that tests know."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from maskaq.precomputed.claims import MAPS, METHODS, MODELS

N = 500
FILLS = ("mean colour", "blur")
SHARES = (0.0, 0.3, 1.0)


def numbers(value: float, spread: float = 0.02) -> dict[str, float]:
    return {"value": value, "low": value - spread, "high": value + spread, "n": N}


def regions() -> pd.DataFrame:
    rows = []
    maps = [("attention", model) for model in MODELS] + [("random", "none"), ("centre", "none")]
    grounds = [("scenes", "foreground"), ("scenes", "occlusion"), ("synthetic", "occlusion")]
    for (images, truth), (kind, model) in itertools.product(grounds, maps):
        base = {"attention": 0.7, "centre": 0.5, "random": 0.25}[kind]
        place = {"images": images, "truth": truth, "map": kind, "model": model}
        single = kind == "attention" and truth == "foreground"
        spots = [(-1, -1), *(itertools.product(range(2), range(-1, 3)) if single else ())]
        for block, head in spots:
            where = {**place, "block": block, "head": head}
            value = base if block < 0 else 0.1 * (block + 1) + 0.05 * (head + 1)
            for ratio in (0.1, 0.3, 0.5):
                for measure in ("precision", "recall", "iou"):
                    rows.append({**where, "ratio": ratio, "measure": measure, **numbers(value)})
            for measure in ("pointing", "share"):
                rows.append({**where, "ratio": np.nan, "measure": measure, **numbers(value)})
    return pd.DataFrame(rows)


def deletion() -> pd.DataFrame:
    speed = {"informative": 3.0, "random": 1.5, "other": 0.8}
    rows = []
    for fill, (order, fast), model in itertools.product(FILLS, speed.items(), MODELS):
        for measure in ("accuracy", "agreement", "apart", "moved"):
            about = {"fill": fill, "order": order, "model": model, "measure": measure}
            for share in SHARES:
                value = max(0.1, 0.9 - fast * share)
                rows.append({**about, "share": share, **numbers(value)})
            rows.append({**about, "share": -1.0, **numbers(0.9 / (1 + fast))})
    return pd.DataFrame(rows)


def information() -> pd.DataFrame:
    told = {"informative": 6.0, "as many others": 0.5, "all others": 1.5}
    return pd.DataFrame(
        [
            {
                "fill": fill,
                "ratio": ratio,
                "patches": patches,
                "model": model,
                **numbers(most * ratio),
                "entropy": 3.2,
                "heat": 2.0,
                "blind": 0.1,
            }
            for fill, ratio, (patches, most), model in itertools.product(
                FILLS, (0.1, 0.3, 0.5), told.items(), MODELS
            )
        ]
    )


def attributions() -> pd.DataFrame:
    measures = (
        "rank correlation with attention",
        "rank correlation with P",
        "in the informative mask",
        "precision",
        "pointing",
        "share",
    )
    rows = [
        {"method": method, "model": model, "measure": measure, **numbers(1 - 0.1 * place)}
        for (place, method), model, measure in itertools.product(
            enumerate(METHODS), MODELS, measures
        )
    ]
    gap = {"method": "integrated gradients", "measure": "completeness gap"}
    rows += [{**gap, "model": model, **numbers(0.01 * k)} for k, model in enumerate(MODELS)]
    return pd.DataFrame(rows)


def write(folder: Path) -> None:
    """All of them, and maps of eight scenes on a grid of 8 x 8."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (
        ("regions", regions),
        ("deletion", deletion),
        ("information", information),
        ("attributions", attributions),
    ):
        make().to_parquet(folder / f"claims_{name}.parquet")
    random = np.random.default_rng(0)
    maps = {model: random.normal(size=(8, len(METHODS), 64)).astype(np.float16) for model in MODELS}
    save_file(maps, folder / MAPS)
