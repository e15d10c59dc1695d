"""Data that the app shows before anything is computed: scenes, attention, similarity, bit-widths.

    python -m benchmarks.sources --bits W8A8 W4A4 W3A3 W2A4 --examples
    python -m benchmarks.showcase

Reads the Q of the runs that the first command stored under --runs and writes to
`maskaq/precomputed/data/`. A stopped table of bit-widths resumes.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn
from tqdm import tqdm

from benchmarks.sources import run_folder
from maskaq.config import BITS, QuantOptions
from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.data.scenes import Scenes, scenes
from maskaq.evaluation.accuracy import classes
from maskaq.evaluation.region_quality import mask_quality
from maskaq.files import sha256
from maskaq.intervals import Interval, student, wilson
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel, load_model
from maskaq.precomputed.showcase import BITS as WIDTHS
from maskaq.precomputed.showcase import FOLDER, SCENES
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.storage import load_q
from maskaq.regions.mask import class_attention, patch_attention
from maskaq.regions.numpy_masks import foreground_patches, inside_outside, mask_of
from maskaq.regions.similarity import (
    gaussian_entropy,
    kernel_density,
    kernel_entropy,
    patch_similarity,
    similarity_moments,
)

MANY = 1000  # evaluation scenes behind every mean
ENTROPY_IMAGES = 32  # images of each kind behind a mean entropy
RATIOS = [round(0.05 * step, 2) for step in range(1, 21)]
BACKEND = "tails"
PARTS_OF_MASK = ("inside", "outside")
POINTS = 128  # of a kernel density

Maps = dict[str, NDArray[np.floating]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/sources"))
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    loaded = load_model("scenes_vit")
    for part in args.only:
        PARTS[part](loaded, args.runs)


def example_scenes() -> Scenes:
    """The first scene of each of the first eight classes, whatever P answers."""
    labels = scenes("evaluation", range(200)).labels
    return scenes("evaluation", [int((labels == kind).nonzero()[0, 0]) for kind in range(SCENES)])


def write_scenes(loaded: LoadedModel, runs: Path) -> None:
    """Images, labels and foreground."""
    batch = example_scenes()
    foreground = batch.foreground.numpy()
    arrays = {
        "images": batch.images.numpy(),
        "labels": batch.labels.numpy(),
        "foreground": foreground,
        "patches": foreground_patches(foreground, loaded.grid),
    }
    save_file(arrays, FOLDER / "scenes.safetensors", {"classes": json.dumps(CLASS_NAMES)})


def write_attention(loaded: LoadedModel, runs: Path) -> None:
    """P's complete attention; class-token rows and head means of P and of every Q."""
    inputs = loaded.normalise(example_scenes().images)
    arrays = {}
    for name, model in models(loaded, runs):
        maps = stacked(model, inputs)  # [B,L,H,T,T]
        arrays[f"{name}.cls"] = maps[:, :, :, 0].numpy().astype(np.float16)
        arrays[f"{name}.mean"] = maps.mean(2).numpy().astype(np.float16)
        if name == "P":
            arrays["P.whole"] = maps.numpy().astype(np.float16)
    save_file(arrays, FOLDER / "attention.safetensors")


def models(loaded: LoadedModel, runs: Path) -> Iterator[tuple[str, nn.Module]]:
    """P, then the Q of every bit-width, from source maskaq."""
    yield "P", loaded.model
    for bits in WIDTHS:
        yield bits, load_q(run_folder(runs, bits, "maskaq") / "q.safetensors", loaded.model)


@torch.no_grad()
def stacked(model: nn.Module, inputs: Tensor) -> Tensor:
    """Attention probabilities [B,L,H,T,T] of normalised images [B,3,S,S]."""
    with record(model) as maps:
        model(inputs)
    return torch.stack([block.probs for block in maps], 1)


def write_similarity(loaded: LoadedModel, runs: Path) -> None:
    """Similarity of the patches in noise, scenes and images of source maskaq.

    Complete matrices for eight images of each kind, and the mean entropy over 32 of each.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    rows = []
    for kind, few, more in kinds(runs):
        similarity = similarities(loaded, few)
        arrays |= {f"{kind}.{name}": array for name, array in similarity.items()}
        arrays[f"{kind}.images"] = few.numpy()
        entropies = similarities(loaded, more)["numbers"][..., 2:]  # [B,L,2]
        patches = similarity["matrix"].shape[-1]
        pairs = patches * (patches - 1) // 2
        for block in range(entropies.shape[1]):
            gaussian, kernel = (student(entropies[:, block, k].tolist()) for k in (0, 1))
            rows.append((kind, block, *gaussian[:3], *kernel, pairs))
    save_file(arrays, FOLDER / "similarity.safetensors")
    columns = ["kind", "block", "gaussian", "gaussian_low", "gaussian_high"]
    columns += ["kernel", "kernel_low", "kernel_high", "n", "pairs"]
    pd.DataFrame(rows, columns=columns).to_parquet(FOLDER / "entropies.parquet")


def kinds(runs: Path) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Kind of image, the eight that the app shows, and those of the mean."""
    yield "scene", example_scenes().images, scenes("evaluation", range(ENTROPY_IMAGES)).images
    for kind, source in (("noise", "noise"), ("synthetic", "maskaq")):
        path = run_folder(runs, "W4A4", source) / "samples.safetensors"
        images = torch.from_numpy(load_file(path)["images"])
        yield kind, images[:SCENES].contiguous(), images[:ENTROPY_IMAGES]


@torch.no_grad()
def similarities(loaded: LoadedModel, images: Tensor) -> Maps:
    """Similarity of the patches in every image and block.

    Returns:
        matrix [B,L,N,N]; kernel density kde_y at kde_x, both [B,L,P]; numbers [B,L,4]: mean,
        standard deviation, Gaussian and kernel entropy (in nats) of the similarities.
    """
    maps = stacked(loaded.model, loaded.normalise(images)).mean(2)  # [B,L,T,T]
    patches = maps[..., loaded.prefix :, loaded.prefix :]  # [B,L,N,N]
    matrix = patch_similarity(patches)  # [B,L,N,N]
    mean, variance = similarity_moments(patches, diagonal=False)  # [B,L]
    upper = torch.triu_indices(*matrix.shape[2:], offset=1)
    values = matrix[..., upper[0], upper[1]].flatten(0, 1)  # [BL,pairs]
    ends = [torch.linspace(float(v.min()) - 0.05, float(v.max()) + 0.05, POINTS) for v in values]
    density = [kernel_density(v, points) for v, points in zip(values, ends, strict=True)]
    kernel = torch.stack([kernel_entropy(v) for v in values]).view(mean.shape)  # [B,L]
    numbers = torch.stack([mean, variance.sqrt(), gaussian_entropy(variance), kernel], -1)
    return {
        "matrix": matrix.numpy().astype(np.float16),
        "kde_x": torch.stack(ends).view(*mean.shape, POINTS).numpy(),
        "kde_y": torch.stack(density).view(*mean.shape, POINTS).numpy(),
        "numbers": numbers.numpy(),
    }


def batches_of_attention(loaded: LoadedModel, model: nn.Module) -> Iterator[tuple[Tensor, Tensor]]:
    """Class-token rows, mean over heads [B,L,N], and alpha [B,N] of 1 000 scenes, in batches."""
    for inputs in loaded.normalise(scenes("evaluation", range(MANY)).images).split(100):
        with torch.no_grad(), record(model) as maps:
            model(inputs)
        rows = torch.stack(
            [class_attention(block.probs, loaded.prefix).mean(1) for block in maps], 1
        )
        yield rows, patch_attention(maps, loaded.prefix)


def write_overlap(loaded: LoadedModel, runs: Path) -> None:
    """Precision, recall and IoU of P's mask and of random masks with the foreground."""
    alpha = torch.cat(
        [alpha for _, alpha in batches_of_attention(loaded, loaded.model)]
    ).numpy()  # [n,N]
    truth = foreground_patches(scenes("evaluation", range(MANY)).foreground.numpy(), loaded.grid)
    chance = np.random.default_rng(0).random(alpha.shape)
    rows = []
    for ratio in RATIOS:
        own, random = (mask_quality(weights, truth, ratio) for weights in (alpha, chance))
        for measure, values in own.items():
            by_chance = student(random[measure].tolist())
            rows.append((ratio, measure, *student(values.tolist()), *by_chance[:3]))
    columns = ["ratio", "measure", "value", "low", "high", "n"]
    columns += ["random_value", "random_low", "random_high"]
    pd.DataFrame(rows, columns=columns).to_parquet(FOLDER / "overlap.parquet")


def write_differences(loaded: LoadedModel, runs: Path) -> None:
    """Distance of Q's attention from P's inside and outside P's mask. Block -1: mean of blocks."""
    attention = {
        name: list(batches_of_attention(loaded, model)) for name, model in models(loaded, runs)
    }
    alpha = torch.cat([alpha for _, alpha in attention["P"]]).numpy()  # [n,N]
    masks = {ratio: mask_of(alpha, ratio) for ratio in RATIOS}  # [n,N] each
    maps = {
        name: torch.cat([rows for rows, _ in parts]).numpy() for name, parts in attention.items()
    }
    rows = []
    for bits, block in itertools.product(WIDTHS, range(-1, maps["P"].shape[1])):
        p, q = (m.mean(1) if block < 0 else m[:, block] for m in (maps["P"], maps[bits]))  # [n,N]
        for ratio, mask in masks.items():
            for part, means in zip(PARTS_OF_MASK, inside_outside(p, q, mask), strict=True):
                mean = student(means[np.isfinite(means)].tolist())  # at ratio 1 nothing is outside
                rows.append((bits, ratio, block, part, *mean))
    columns = ["bits", "ratio", "block", "part", "value", "low", "high", "n"]
    pd.DataFrame(rows, columns=columns).to_parquet(FOLDER / "inside_outside.parquet")


@torch.inference_mode()
def write_bits(loaded: LoadedModel, runs: Path) -> None:
    """Every pair of bit-widths with the samples of the four sources at W4A4."""
    path = FOLDER / "bits.parquet"
    sources = ("noise", "mimiq", "maskaq", "real")
    files = {one: run_folder(runs, "W4A4", one) / "samples.safetensors" for one in sources}
    marks = {one: sha256(file)[:12] for one, file in files.items()}
    rows = pd.read_parquet(path).to_dict("records") if path.exists() else []
    rows = [
        row for row in rows if row["samples"] == marks[row["source"]]
    ]  # of exactly these samples
    done = {(row["source"], row["weight_bits"], row["activation_bits"]) for row in rows}
    batch = scenes("evaluation", range(MANY))
    inputs = loaded.normalise(batch.images)
    answers_p = classes(loaded.model, inputs)
    cells = [(s, w, a) for s in sources for w in BITS for a in BITS]
    for source, weight, activation in tqdm([cell for cell in cells if cell not in done]):
        samples = loaded.normalise(torch.from_numpy(load_file(files[source])["images"]))
        options = QuantOptions(weight, activation)
        answers = classes(
            calibrated_q(loaded.model, options, BACKENDS[BACKEND].scheme, samples), inputs
        )
        top1: Interval = wilson(int((answers == batch.labels).sum()), MANY)
        rows.append(
            {
                "source": source,
                "weight_bits": weight,
                "activation_bits": activation,
                "top1": top1.value,
                "low": top1.low,
                "high": top1.high,
                "agreement": float((answers == answers_p).float().mean()),
                "n": MANY,
                "backend": BACKEND,
                "samples": marks[source],
            }
        )
        pd.DataFrame(rows).to_parquet(path)


PARTS: dict[str, Callable[[LoadedModel, Path], None]] = {
    "scenes": write_scenes,
    "attention": write_attention,
    "similarity": write_similarity,
    "overlap": write_overlap,
    "differences": write_differences,
    "bits": write_bits,
}

if __name__ == "__main__":
    main()
