"""Labelled images, preprocessed as timm does for the model.

Images are kept as uint8 until they are used, which takes a quarter of the memory. No precision is
lost: timm also resizes and crops uint8 images and only then converts them to floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskaq.data.classes import Classes
from maskaq.data.folder.items import Item
from maskaq.data.folder.layout import list_images
from maskaq.data.folder.reading import read
from maskaq.errors import DataError


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images.

    images: uint8 [N,3,S,S]. labels: classes, int64 [N]; for annotated images the class of each
    pixel, int64 [N,H,W], or the objects, float [N,M,5]. paths: of the files; of a row of a Parquet
    file, `FILE.parquet row 3`. notes: what was decided or left out.
    """

    images: Tensor
    labels: Tensor
    paths: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.images)

    def pick(self, positions: Tensor) -> Images:
        """The images at `positions`, int64 [n], in that order."""
        paths = tuple(self.paths[index] for index in positions.tolist())
        return Images(self.images[positions], self.labels[positions], paths, self.notes)


def load_images(
    folder: str | Path,
    data_config: Mapping[str, Any],
    *,
    synsets: Sequence[str] | None = None,
    classes: int | None = None,
    names: Sequence[str] | None = None,
    limit: int = 0,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> Images:
    """Read the labelled images of a folder, in every format that Pillow reads.

    The folder has a folder for each class, or a table of labels, or Parquet files; docs/data.md
    lists the forms.

    Args:
        folder: or a table beside the images, or a Parquet file.
        data_config: timm's preprocessing of the model: size, crop, interpolation.
        synsets: WordNet ids in the order of the model's classes, which labels may be.
        classes: number of classes of the model, to refuse larger indices; None takes the number of
            names or synsets, if given.
        names: of the model's classes, which labels may be. Labels may always be class indices
            (`7`, `007`), unless these names are numbers.
        limit: read at most this many images, spread evenly over the classes; 0 reads all.
        seed: selects the images when there is a limit; a larger limit adds to a smaller one.
        skip_unreadable: leave out images that cannot be read, instead of raising an error.

    Raises:
        DataError: another form, an unknown class, no image, or an unreadable image.
    """
    listing = list_images(folder, _classes(synsets, classes, names))
    items = _spread([*listing.items], limit, seed) if limit else [*listing.items]
    batch = read(items, data_config, skip_unreadable)
    kept = [items[position] for position in batch.positions]
    labels = torch.tensor([item.label for item in kept])  # [N]
    paths = tuple(item.place for item in kept)
    return Images(batch.images, labels, paths, (*listing.notes, *batch.notes))


def _classes(
    synsets: Sequence[str] | None, count: int | None, names: Sequence[str] | None
) -> Classes:
    known = tuple(names or ()), tuple(synsets or ())
    return Classes(count or max(map(len, known)), *known)


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


def _spread(files: list[Item], limit: int, seed: int) -> list[Item]:
    """Select `limit` files, taking one of each class in turn from a shuffled list."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = [files[i] for i in torch.randperm(len(files), generator=generator).tolist()]
    counts: dict[int, int] = {}  # images seen so far, by class
    turns = []
    for item in shuffled:
        turns.append((counts.get(item.label, 0), item))
        counts[item.label] = turns[-1][0] + 1
    turns.sort(key=lambda entry: entry[0])  # stable: within a turn the order stays shuffled
    return [item for _, item in turns[:limit]]
