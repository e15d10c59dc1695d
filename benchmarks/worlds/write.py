"""Write what the first page shows, from the runs of `benchmarks.worlds.runs`.

    python -m benchmarks.worlds.write photographs --weights FILE
    python -m benchmarks.worlds.write scenes

Weights and evaluation images stay out; what is written are results, pictures whose licences are in
`CREDITS.md`, and images that the model made.
"""

import argparse
import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.showcase import example_scenes
from benchmarks.worlds.runs import OUT, folder, frames_file, samples_file
from maskaq import checkpoints
from maskaq.files import atomic_write, sha256
from maskaq.intervals import Interval
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import LoadedModel, load_model
from maskaq.precomputed.worlds import BITS, COMMANDS, FOLDER, MODELS, SOURCES, short_names, webp
from maskaq.quantization.storage import load_q
from maskaq.queries.attention import preprocessed
from maskaq.queries.look import look_at
from maskaq.results import size, store
from maskaq.results.comparison import difference
from maskaq.results.result import RunResult
from maskaq.results.store import Stored

SYNTHETIC = 6  # synthetic images that are shown as they form, and can be looked at
FILM_SIDE = 128  # pixels, at most
THUMB = 64
TESTED = {"vit_tiny_patch16_224": "photographs", "scenes_vit": "scenes"}


@dataclass(frozen=True, eq=False)
class Shown:
    """A picture of a world. image: uint8 [3,S,S], as the model sees it. right: classes."""

    name: str
    title: str
    kind: str
    right: tuple[int, ...]
    image: Tensor


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", choices=list(MODELS))
    parser.add_argument("--weights", default="", help="ImageNet-1k weights of ViT-Tiny")
    parser.add_argument("--runs", type=Path, default=OUT)
    args = parser.parse_args()
    loaded = load_model(MODELS[args.world], args.weights)
    weights = Path(args.weights) if args.weights else BUNDLED[loaded.name].checkpoint
    write(args.world, loaded, sha256(weights), args.runs / args.world)


def write(world: str, loaded: LoadedModel, digest: str, runs: Path) -> None:
    """Write the folder of a world."""
    target = FOLDER / world
    (target / "pictures").mkdir(parents=True, exist_ok=True)
    stored = {
        (source, bits): store.read(folder(runs, source, bits))
        for source in SOURCES
        for bits in BITS
    }
    pictures = [*PICTURES[world](loaded), *synthetic(loaded, runs)]
    write_pictures(loaded, pictures, runs, target)
    save_webp(
        small(torch.stack([one.image for one in pictures])[None], THUMB), target / "thumbs.webp"
    )
    film = checkpoints.read(frames_file(runs, "maskaq"))
    save_webp(small(film["images"][:, :SYNTHETIC], FILM_SIDE), target / "frames.webp")
    samples = checkpoints.read(samples_file(runs, "maskaq"))["samples"]
    save_webp(tiled(samples["images"][:, None]), target / "synthetic.webp")
    about = about_of(loaded, digest, stored, pictures) | {"steps": film["steps"]}
    with atomic_write(target / "world.json") as draft:
        draft.write_text(json.dumps(about, indent=1) + "\n")


def about_of(
    loaded: LoadedModel,
    digest: str,
    stored: dict[tuple[str, str], Stored],
    pictures: list[Shown],
) -> dict[str, Any]:
    """The content of `world.json`, see `maskaq.precomputed.worlds.World`."""
    results = {cell: run.result for cell, run in stored.items()}
    newest = max(results.values(), key=lambda result: result.created)
    answers = {
        source: {bits: ends(results[source, bits].top1_q) for bits in BITS} for source in SOURCES
    }
    agreement = {
        source: {bits: ends(results[source, bits].agreeing) for bits in BITS} for source in SOURCES
    }
    return {
        "model": loaded.name,
        "weights": digest,
        "classes": short_names(loaded.class_names),
        "blocks": len(loaded.model.blocks),
        "heads": loaded.model.blocks[0].attn.num_heads,
        "grid": loaded.grid,
        "prefix": loaded.prefix,
        "size": loaded.size,
        "pictures": [
            {"name": one.name, "title": one.title, "kind": one.kind, "right": one.right}
            for one in pictures
        ],
        "p": ends(newest.top1_p),
        "q": answers,
        "agreement": agreement,
        "n": newest.evaluated,
        "difference": {
            bits: points(stored["noise", bits], stored["maskaq", bits]) for bits in BITS
        },
        "bits": BITS,
        "tested": TESTED[loaded.name],
        "bytes": bytes_of(loaded, {bits: results["maskaq", bits] for bits in BITS}),
        "backend": newest.spec.fit.backend,
        "images": newest.spec.synthesis.images,
        "seed": newest.spec.seed,
        "commands": COMMANDS,
        "device": newest.device,
        "created": newest.created,
    }


def bytes_of(loaded: LoadedModel, results: Mapping[str, RunResult]) -> dict[str, int]:
    """Bytes of the weights of `P`, and of Q packed, by number format."""
    counts = {name: one.numel() for name, one in loaded.model.named_parameters()}
    packed = {bits: size.packed(counts, result.tensors) for bits, result in results.items()}
    return {"P": 4 * sum(counts.values())} | packed


def ends(interval: Interval) -> list[float]:
    """A share and the ends of its 95 % interval."""
    return list(interval[:3])


def points(first: Stored, other: Stored) -> list[float]:
    """Q's accuracy in the other run minus that in the first, paired, with its 95 % interval."""
    found = difference(first, other)
    if found is None:
        raise SystemExit(f"{first.folder} and {other.folder} were evaluated on different images.")
    return ends(found)


def write_pictures(loaded: LoadedModel, pictures: list[Shown], runs: Path, target: Path) -> None:
    """One file per picture, see `World.picture`."""
    images = torch.stack([one.image for one in pictures])  # [B,3,S,S]
    p = look_at(loaded, loaded.model, images)
    q = [look_at(loaded, model, images, complete=False) for model in models(loaded, runs)]
    shape = len(SOURCES), len(BITS)
    for number, (one, view) in enumerate(zip(pictures, p, strict=True)):
        arrays = {"image": webp(one.image.permute(1, 2, 0).numpy())} | view
        for key in ("classes", "probabilities", "cls"):
            values = np.stack([views[number][key] for views in q])  # [sources*bits,..]
            arrays[f"q_{key}"] = values.reshape(*shape, *values.shape[1:])
        with atomic_write(target / "pictures" / f"{one.name}.safetensors") as draft:
            save_file(arrays, draft)


def models(loaded: LoadedModel, runs: Path) -> Iterator[nn.Module]:
    """The Q of every source and number format."""
    for source in SOURCES:
        for bits in BITS:
            yield load_q(folder(runs, source, bits) / "q.safetensors", loaded.model)


def photographs(loaded: LoadedModel) -> Iterator[Shown]:
    """The photographs, from the table beside their credits."""
    with (FOLDER / "photographs" / "photographs.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            path = FOLDER / "photographs" / "images" / row["file"]
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))  # [H,W,3]
            right = tuple(map(int, row["classes"].split()))
            image = preprocessed(loaded, pixels)  # [3,S,S]
            yield Shown(path.stem, row["title"], "photograph", right, image)


def labelled_scenes(loaded: LoadedModel) -> Iterator[Shown]:
    """The eight scenes that the other pages show too."""
    batch = example_scenes()
    for number, label in enumerate(batch.labels.tolist()):
        title = f"Scene: {loaded.class_names[label]}"
        yield Shown(f"scene{number}", title, "scene", (label,), batch.images[number])


def synthetic(loaded: LoadedModel, runs: Path) -> Iterator[Shown]:
    """The first images that the model made."""
    samples = checkpoints.read(samples_file(runs, "maskaq"))["samples"]
    names = short_names(loaded.class_names)
    for number in range(SYNTHETIC):
        label = int(samples["labels"][number])
        image = samples["images"][number]
        yield Shown(f"synthetic{number}", f"Made for: {names[label]}", "synthetic", (label,), image)


PICTURES = {"photographs": photographs, "scenes": labelled_scenes}


def small(images: Tensor, largest: int) -> NDArray[np.uint8]:
    """Images uint8 [R,C,3,S,S] as one picture, at most `largest` pixels each."""
    side = min(largest, images.shape[-1])
    scaled = functional.interpolate(images.flatten(0, 1).float(), (side, side), mode="area")
    return tiled(scaled.round().byte().view(*images.shape[:2], 3, side, side))


def tiled(images: Tensor) -> NDArray[np.uint8]:
    """Images uint8 [R,C,3,S,S] as one picture [R*S,C*S,3]."""
    rows, columns, _, side, _ = images.shape
    return images.permute(0, 3, 1, 4, 2).reshape(rows * side, columns * side, 3).numpy()


def save_webp(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write a WebP file atomically."""
    with atomic_write(path) as draft:
        draft.write_bytes(webp(pixels).tobytes())


if __name__ == "__main__":
    main()
