"""Annotated images of a folder, with the truth in the form of `maskaq.tasks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from maskaq.data.annotations.class_maps import list_class_maps
from maskaq.data.annotations.objects import list_objects
from maskaq.data.annotations.whole_images import Size, read_whole
from maskaq.data.folder import Images
from maskaq.errors import DataError, OptionError, unknown


class Annotations(Protocol):
    """The annotated images of a folder before they are read."""

    @property
    def images(self) -> tuple[Path, ...]:
        """The image files, in a fixed order."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided or left out."""

    def truth(
        self, positions: Sequence[int], sizes: Sequence[Size], sides: tuple[int, int]
    ) -> tuple[Tensor, tuple[str, ...]]:
        """The truth [n,..] of the images at these positions, and notes about it.

        Args:
            sizes: of these images in pixels.
            sides: height and width to which they are resized.
        """


_FORMS: Mapping[str, Callable[[Path, Sequence[str]], Annotations]] = {
    "segmentation": list_class_maps,
    "detection": list_objects,
}


def load_annotated(
    task: str,
    path: str | Path,
    data_config: Mapping[str, Any],
    class_names: Sequence[str],
    *,
    limit: int = 0,
    seed: int = 0,
    skip_unreadable: bool = False,
) -> Images:
    """Read the annotated images of a folder: maps of classes, or boxes in COCO's format.

    A model for dense predictions sees the whole image, resized to its input without regard to the
    aspect ratio, so that no truth is cut off. The truth is resized in the same way.

    Args:
        task: `segmentation` or `detection`.
        path: segmentation: a folder with `images` and one of `annotations`, `masks` and `labels`.
            detection: a folder with `annotations/instances_val*.json` and its images, or the JSON
            file.
        data_config: timm's preprocessing of the model. Its crop is not used.
        class_names: of the model, in the order of its outputs.
        limit: read at most this many images; 0 reads all.
        seed: selects the images when there is a limit; a larger limit adds to a smaller one.
        skip_unreadable: leave out images that cannot be read, instead of raising an error. Wrong
            annotations are always an error.

    Raises:
        OptionError: unknown task, or a classification task, which has no annotations.
        DataError: another layout, a wrong annotation, no image, or an unreadable image.
    """
    if task not in _FORMS:
        raise OptionError(unknown("task with annotated images", task, _FORMS))
    if not class_names:
        raise DataError(
            f"the classes in {path} cannot be matched with those of the model, which has no class "
            "names; pass them with --class-names FILE."
        )
    found = _FORMS[task](Path(path), class_names)
    chosen = _selected(len(found.images), limit, seed)
    read = read_whole([found.images[index] for index in chosen], data_config, skip_unreadable)
    kept = [chosen[position] for position in read.positions]
    height, width = read.images.shape[2:]
    truth, notes = found.truth(kept, read.sizes, (height, width))
    paths = tuple(found.images[index] for index in kept)
    return Images(read.images, truth, paths, (*found.notes, *read.notes, *notes))


def count_annotated(task: str, path: str | Path, class_names: Sequence[str]) -> int:
    """Number of annotated images of a folder, without reading them.

    Raises:
        OptionError, DataError: as `load_annotated`.
    """
    if task not in _FORMS:
        raise OptionError(unknown("task with annotated images", task, _FORMS))
    return len(_FORMS[task](Path(path), class_names).images)


def _selected(count: int, limit: int, seed: int) -> list[int]:
    """Positions of the images: those that `load_images` selects from one class, in its order."""
    if not limit:
        return list(range(count))
    generator = torch.Generator().manual_seed(seed)
    order: list[int] = torch.randperm(count, generator=generator).tolist()
    return order[:limit]
