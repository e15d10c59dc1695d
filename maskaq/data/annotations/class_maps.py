"""Semantic segmentation: images with a PNG each that has the class number of each pixel."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskaq.data.annotations.numbering import VOID, Numbering, numbering_of
from maskaq.data.annotations.pairs import find_pairs
from maskaq.data.annotations.png_numbers import read_numbers
from maskaq.data.annotations.whole_images import Size
from maskaq.data.decoding import without_warnings
from maskaq.errors import DataError


@dataclass(frozen=True)
class ClassMaps:
    """Images and their annotations, in the same order, and how the class numbers count."""

    images: tuple[Path, ...]
    maps: tuple[Path, ...]
    numbering: Numbering
    notes: tuple[str, ...] = ()

    def truth(
        self, positions: Sequence[int], sizes: Sequence[Size], sides: tuple[int, int]
    ) -> tuple[Tensor, tuple[str, ...]]:
        """The class of each pixel or `VOID`, int64 [n,H,W], by the nearest pixel, and notes.

        Raises:
            DataError: an annotation that cannot be read, is of another size than its image, or has
                a number that stands for no class.
        """
        truth = torch.empty(len(positions), *sides, dtype=torch.int64)  # [n,H,W]

        def read_one(task: tuple[int, int, Size]) -> None:
            row, position, size = task
            path = self.maps[position]
            numbers = read_numbers(path)  # [h,w]
            if numbers.shape != (size.height, size.width):
                raise DataError(_other_size(path, numbers.shape, self.images[position], size))
            classes = self.numbering.classes_of(numbers, path)  # [h,w]
            truth[row] = torch.from_numpy(nearest(classes, *sides))  # [H,W]

        rows = range(len(positions))
        with without_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(read_one, zip(rows, positions, sizes, strict=True)))
        return truth, _few_classes(truth)


def list_class_maps(folder: Path, class_names: Sequence[str]) -> ClassMaps:
    """The images of a folder with their annotations; see `find_pairs` for its layouts.

    Raises:
        DataError: as `find_pairs` and `numbering_of`.
    """
    pairs = find_pairs(folder)
    numbering = numbering_of(pairs.maps, class_names)
    return ClassMaps(pairs.images, pairs.maps, numbering, (*pairs.notes, *numbering.notes))


def nearest(values: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Resize a map: uint8 [h,w] -> uint8 [H,W]. Each pixel has the value at its centre.

    >>> nearest(np.array([[1, 2, 3, 4]], np.uint8), 2, 2)
    array([[2, 4],
           [2, 4]], dtype=uint8)
    """
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip((height, width), values.shape, strict=True)
    )  # [H], [W]
    resized: NDArray[np.uint8] = values[rows[:, None], columns]  # [H,W]
    return resized


def _other_size(path: Path, shape: tuple[int, ...], image: Path, size: Size) -> str:
    """The message for an annotation of another size than its image. shape: height and width."""
    own = Size(shape[1], shape[0])
    advice = "save both with the same size"
    if size.turned and (own.width, own.height) == (size.height, size.width):
        advice = (
            "the EXIF data of the image say that it is turned: turn the annotation, or remove the "
            "orientation from the EXIF data"
        )
    return f"{path} has {own}, but its image {image} has {size[0]} x {size[1]}; {advice}."


def _few_classes(truth: Tensor) -> tuple[str, ...]:
    """A note if the truth [n,H,W] looks like masks of 0 and 255, whose 255 would not count."""
    void = truth == VOID
    if void.all():
        return ("no pixel of the images that were read has a class",)
    if void.any() and not truth[~void].any():
        return (
            f"all pixels are of class 0 or have no class ({VOID}); if {VOID} stands for a class, "
            "save the annotations with its number instead",
        )
    return ()
