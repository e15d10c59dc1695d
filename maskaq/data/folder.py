"""Labelled images from a folder of class folders, preprocessed as timm does for the model.

Images are kept as uint8 until they are used, which takes a quarter of the memory. No precision is
lost: timm also resizes and crops uint8 images and only then converts them to floats.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from timm.data import create_transform
from timm.data.readers import get_img_extensions
from torch import Tensor

from maskaq.errors import DataError


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images. images: uint8 [N,3,S,S]. labels: int64 [N]. paths: of the files."""

    images: Tensor
    labels: Tensor
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, positions: Tensor) -> Images:
        """The images at `positions`, int64 [n], in that order."""
        paths = tuple(self.paths[index] for index in positions.tolist())
        return Images(self.images[positions], self.labels[positions], paths)


def load_images(
    folder: str | Path,
    data_config: Mapping[str, Any],
    *,
    synsets: Sequence[str] | None = None,
    classes: int | None = None,
    limit: int = 0,
    seed: int = 0,
) -> Images:
    """Read the images `folder/CLASS/*.jpg` and those in other formats that timm reads.

    Args:
        data_config: timm's preprocessing of the model: size, crop, interpolation.
        synsets: WordNet ids in the order of the model's classes, which class folders may be named
            after. Folders may always be named by class index (`7`, `007`).
        classes: number of classes of the model, to refuse larger indices; None takes the number of
            synsets, if given.
        limit: read at most this many images, spread evenly over the classes; 0 reads all.
        seed: selects the images when there is a limit; a larger limit adds to a smaller one.

    Raises:
        DataError: not a folder, an unknown class folder, no image, or an unreadable image.
    """
    files = _files(Path(folder), synsets or (), classes or len(synsets or ()))
    if limit:
        files = _spread(files, limit, seed)
    transform = transform_of(data_config)
    images = torch.empty(len(files), *data_config["input_size"], dtype=torch.uint8)

    def read(position: int) -> None:
        path = files[position][0]
        try:
            with Image.open(path) as picture:
                images[position] = transform(picture.convert("RGB"))  # [3,S,S]
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{path} cannot be read as an image ({error}); replace or remove it."
            ) from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(read, range(len(files))))
    labels = torch.tensor([label for _, label in files])
    return Images(images, labels, tuple(path for path, _ in files))


def labels_in(
    folder: str | Path, *, synsets: Sequence[str] | None = None, classes: int | None = None
) -> list[int]:
    """Labels of the images that `load_images` reads, in order, without opening them.

    Raises:
        DataError: as `load_images`, except for unreadable images.
    """
    return [
        label for _, label in _files(Path(folder), synsets or (), classes or len(synsets or ()))
    ]


def transform_of(data_config: Mapping[str, Any]) -> Callable[[Image.Image], Tensor]:
    """timm's preprocessing of a PIL image for a model, without normalisation: uint8 [3,S,S]."""
    transform: Callable[[Image.Image], Tensor] = create_transform(
        data_config["input_size"],
        interpolation=data_config["interpolation"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        normalize=False,
    )
    return transform


def split_images(images: Images, calibration: int, seed: int = 0) -> tuple[Images, Images]:
    """Split off `calibration` random images; the rest are the evaluation images.

    Raises:
        DataError: no image would be left for evaluation.
    """
    if not 0 <= calibration < len(images):
        raise DataError(
            f"{calibration} calibration images out of {len(images)}: allowed are 0 to "
            f"{len(images) - 1}, so that at least one is left for evaluation."
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen, rest = order[:calibration], order[calibration:].sort().values
    return images.pick(chosen), images.pick(rest)


def _files(folder: Path, synsets: Sequence[str], classes: int) -> list[tuple[Path, int]]:
    """Image files with their labels, in order of label and path."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; pass one with a subfolder for each class.")
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    labels = {path: _label(path.name, synsets, classes) for path in subfolders}
    unknown = [path.name for path, label in labels.items() if label is None]
    if unknown:
        raise DataError(
            f"{folder} has {len(unknown)} folders that are not named after a class of the model, "
            f"such as {unknown[0]!r}; allowed: {_allowed(synsets, classes)}."
        )
    endings = get_img_extensions(as_set=True)
    files = [
        (path, label)
        for subfolder, label in labels.items()
        if label is not None
        for path in sorted(subfolder.rglob("*"))
        if path.suffix.lower() in endings and not path.name.startswith(".")
    ]
    if not files:
        raise DataError(
            f"{folder} has no image in a class folder; put images in folders named by class: "
            f"{_allowed(synsets, classes)}. Supported formats: {', '.join(sorted(endings))}."
        )
    return sorted(files, key=lambda item: (item[1], item[0]))


def _label(name: str, synsets: Sequence[str], classes: int) -> int | None:
    if name in synsets:
        return synsets.index(name)
    if name.isascii() and name.isdigit() and (not classes or int(name) < classes):
        return int(name)
    return None


def _allowed(synsets: Sequence[str], classes: int) -> str:
    index = f"the class index 0 to {classes - 1}" if classes else "the class index"
    return f"a synset such as {synsets[0]}, or {index}" if synsets else index


def _spread(files: list[tuple[Path, int]], limit: int, seed: int) -> list[tuple[Path, int]]:
    """Select `limit` files, taking one of each class in turn from a shuffled list."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = [files[i] for i in torch.randperm(len(files), generator=generator).tolist()]
    counts: dict[int, int] = {}  # images seen so far, by class
    turns = []
    for item in shuffled:
        turns.append((counts.get(item[1], 0), item))
        counts[item[1]] = turns[-1][0] + 1
    turns.sort(key=lambda entry: entry[0])  # stable: within a turn the order stays shuffled
    return [item for _, item in turns[:limit]]
