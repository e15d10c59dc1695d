"""Images of one's own: a folder of class folders, prepared as timm prepares them for that model.

Images stay bytes until they are used, which is a quarter of the memory. Nothing is lost by it:
timm, too, resizes and crops bytes and only then scales them to floats.
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

__all__ = ["Images", "labels_in", "load_images", "split_images", "transform_of"]


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images. images: uint8 [N,3,S,S]; labels: int64 [N]; paths: where each came from."""

    images: Tensor
    labels: Tensor
    paths: tuple[Path, ...]

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, positions: Tensor) -> Images:
        """The images at int64 `positions` [n], in that order."""
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
    """Read `folder/CLASS/picture.jpg` and so on.

    Args:
        data_config: timm's preprocessing of the model: size, crop, interpolation.
        synsets: WordNet ids in the order of the model's classes; class folders may be named by
            them. Folders named by class index (`7`, `007`) are always understood.
        classes: number of classes of the model, to refuse an index beyond; None takes the number
            of synsets, if given.
        limit: read at most so many, spread evenly over the classes; 0 reads all.
        seed: which ones, when there is a limit; a larger limit adds to the choice of a smaller.

    Raises:
        DataError: not a folder, a class folder of unknown name, no image, or a broken one.
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
    """Labels of the images that `load_images` would read, in order; no image is opened.

    Raises:
        DataError: as `load_images`, but for broken images.
    """
    return [
        label for _, label in _files(Path(folder), synsets or (), classes or len(synsets or ()))
    ]


def transform_of(data_config: Mapping[str, Any]) -> Callable[[Image.Image], Tensor]:
    """timm's preprocessing of a picture for a model, up to bytes: uint8 [3,S,S]."""
    transform: Callable[[Image.Image], Tensor] = create_transform(
        data_config["input_size"],
        interpolation=data_config["interpolation"],
        crop_pct=data_config["crop_pct"],
        crop_mode=data_config["crop_mode"],
        normalize=False,
    )
    return transform


def split_images(images: Images, calibration: int, seed: int = 0) -> tuple[Images, Images]:
    """Draw `calibration` images at random and set them apart from the rest, the evaluation images.

    Raises:
        DataError: fewer than one image would be left for evaluation.
    """
    if not 0 <= calibration < len(images):
        raise DataError(
            f"{calibration} calibration images out of {len(images)}: allowed are 0 to "
            f"{len(images) - 1}, so that some are left to evaluate on."
        )
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    chosen, rest = order[:calibration], order[calibration:].sort().values
    return images.pick(chosen), images.pick(rest)


def _files(folder: Path, synsets: Sequence[str], classes: int) -> list[tuple[Path, int]]:
    """Image files and their labels, in order of label and path."""
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; pass one that holds a folder for each class.")
    inside = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    labels = {path: _label(path.name, synsets, classes) for path in inside}
    unknown = [path.name for path, label in labels.items() if label is None]
    if unknown:
        raise DataError(
            f"{folder} has {len(unknown)} folders that name no class of the model, such as "
            f"{unknown[0]!r}; allowed: {_allowed(synsets, classes)}."
        )
    endings = get_img_extensions(as_set=True)
    files = [
        (path, label)
        for where, label in labels.items()
        if label is not None
        for path in sorted(where.rglob("*"))
        if path.suffix.lower() in endings and not path.name.startswith(".")
    ]
    if not files:
        raise DataError(
            f"{folder} holds no image in a class folder; put images in folders named by class: "
            f"{_allowed(synsets, classes)}. Read are {', '.join(sorted(endings))}."
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
    """Deal from shuffled classes in turn, one image of each, until there are `limit`."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = [files[i] for i in torch.randperm(len(files), generator=generator).tolist()]
    turns: dict[int, int] = {}  # number of the latest image of each class
    dealt = []
    for item in shuffled:
        turn = turns[item[1]] = turns.get(item[1], -1) + 1
        dealt.append((turn, item))
    dealt.sort(key=lambda entry: entry[0])  # stable: within a turn the order stays shuffled
    return [item for _, item in dealt[:limit]]
