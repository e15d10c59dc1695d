"""Object detection: images with the boxes and classes of their objects, in COCO's format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from maskaq.data.annotations.categories import classes_of
from maskaq.data.annotations.coco_file import Box, CocoFile, Photo, read_coco
from maskaq.data.annotations.coco_folder import find_file, find_images
from maskaq.data.annotations.whole_images import Size
from maskaq.data.folder.items import printable, quantity

ABSENT = -1  # class of a row without an object, as in `maskaq.tasks.detection`
_ROUNDING = 1.0  # pixels that a box may be outside of its image


@dataclass(frozen=True)
class Objects:
    """Images in order of their paths, and their objects.

    classes: index of the class by id of the category.
    """

    images: tuple[Path, ...]
    file: CocoFile
    classes: Mapping[int, int]
    notes: tuple[str, ...] = ()

    def truth(
        self, positions: Sequence[int], sizes: Sequence[Size], sides: tuple[int, int]
    ) -> tuple[Tensor, tuple[str, ...]]:
        """The objects, float [n,M,5], and notes. M is the most of an image, at least 1.

        A row is the class, then left, top, right and bottom as shares of the sides of the image,
        whatever `sides` it is resized to; or `ABSENT` and zeros.

        Raises:
            DataError: an image of another size than the file says, or a box outside of its image.
        """
        photos = [self.file.photos[position] for position in positions]
        most = max(1, max((len(photo.boxes) for photo in photos), default=0))
        truth = torch.zeros(len(photos), most, 5)  # [n,M,5]
        truth[..., 0] = ABSENT
        clipped = 0
        for row, (photo, size) in enumerate(zip(photos, sizes, strict=True)):
            self._check_size(self.images[positions[row]], photo, size)
            for place, box in enumerate(photo.boxes):
                shares, outside = self._shares(box, photo, size)
                clipped += outside
                truth[row, place, 0] = self.classes[box.category]
                truth[row, place, 1:] = torch.from_numpy(shares)  # [4]
        notes = []
        if clipped:
            boxes = "boxes, which were" if clipped > 1 else "box, which was"
            notes.append(f"clipped {clipped:,} {boxes} up to one pixel outside of the image")
        if not any(photo.boxes for photo in photos):
            notes.append("the images that were read have no objects")
        return truth, tuple(notes)

    def _check_size(self, image: Path, photo: Photo, size: Size) -> None:
        if photo.sides in (None, size[:2]):
            return
        advice = ""
        if size.turned and photo.sides == (size.height, size.width):
            advice = ", as its EXIF data say that it is turned"
        width, height = photo.sides or (0, 0)
        self.file.refuse(
            f"images[{photo.number}]",
            f"has {width:g} x {height:g} pixels, but {image} has {size}{advice}",
        )

    def _shares(self, box: Box, photo: Photo, size: Size) -> tuple[NDArray[np.float32], bool]:
        """Left, top, right and bottom as shares, float32 [4], and whether the box was clipped."""
        low = np.array([box.left, box.top])  # [2]
        high = low + np.array([box.width, box.height])  # [2]
        limits = np.array(size[:2], float)  # [2]
        inside_low, inside_high = low.clip(0, limits), high.clip(0, limits)
        outside = max((inside_low - low).max(), (high - inside_high).max())
        shares = np.concatenate([inside_low / limits, inside_high / limits]).astype(np.float32)
        if outside > _ROUNDING or not (shares[2:] > shares[:2]).all():
            self.file.refuse(
                f"annotations[{box.number}]",
                f"has the bbox {[box.left, box.top, box.width, box.height]}, which is outside of "
                f"{printable(photo.name)} ({size}) or has no area there",
            )
        return shares, bool(outside > 1e-6)  # more than the sum of left and width is off


def list_objects(place: Path, class_names: Sequence[str]) -> Objects:
    """The images of a folder with their objects; see `find_file` and `find_images` for its layouts.

    Raises:
        DataError: as these, `read_coco` and `classes_of`.
    """
    path, notes = find_file(place)
    file = read_coco(path)
    images, more = find_images(path, [photo.name for photo in file.photos])
    used = {box.category for photo in file.photos for box in photo.boxes}
    classes, matched = classes_of(path, file.categories, used, class_names)
    groups = f"left out {quantity(file.crowds, 'annotation')} of groups (iscrowd)"
    wrong = "COCO ignores detections there, but here they count as wrong"
    crowds = (f"{groups}; {wrong}",) if file.crowds else ()
    order = sorted(range(len(images)), key=images.__getitem__)
    file = replace(file, photos=tuple(file.photos[place] for place in order))
    images = tuple(images[place] for place in order)
    return Objects(images, file, classes, (*notes, *more, *matched, *crowds))
