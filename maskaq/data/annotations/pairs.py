"""Images and annotations in two folders beside each other, paired by their names.

`images/validation/a.jpg` belongs to `annotations/validation/a.png`, as in ADE20K, and
`images/a.jpg` to `annotations/a.png`, `masks/a.png` or `labels/a.png`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from maskaq.data.decoding import endings
from maskaq.data.folder.finding import Tree, beside, is_ignored, walk
from maskaq.data.folder.items import by_ending, quantity, some
from maskaq.errors import DataError

_IMAGES = ("images",)
_MAPS = ("annotations", "masks", "labels")
_SPLITS = ("validation", "val", "valid", "training", "train")  # the first that there is
_ENDING = ".png"
_LAYOUT = (
    "a folder `images`, and one of `annotations`, `masks` and `labels` with a PNG of class numbers "
    "for each image"
)


class Pairs(NamedTuple):
    """Images and their annotations in the same order, and notes about what was left out."""

    images: tuple[Path, ...]
    maps: tuple[Path, ...]
    notes: tuple[str, ...]


def find_pairs(folder: Path) -> Pairs:
    """The images of a folder with their annotations, in order of the names.

    If there are folders for validation and training, those for validation are read.

    Raises:
        DataError: another layout, an image without annotation, or an annotation without image.
    """
    if not os.path.isdir(folder):
        raise DataError(f"{folder} is not a folder; pass one that has {_LAYOUT}.")
    try:
        images, maps = _folders(folder)
        images, maps, notes = _split(images, maps)
        found, annotated = walk(images, folder), walk(maps, folder)
    except OSError as error:
        raise DataError(f"{folder} cannot be listed: {error.strerror}.") from error
    others = [path for path, _ in annotated.images if path.suffix.lower() != _ENDING]
    annotated.images = [pair for pair in annotated.images if pair[0] not in set(others)]
    pictures, numbers = _by_name(images, found), _by_name(maps, annotated)
    left = [*found.notes(), *(f"in {maps.name}: {note}" for note in annotated.notes())]
    if others:
        left.append(f"in {maps.name}: left out images that are not PNG: {by_ending(others)}")
    problem = _unpaired(images, maps, pictures.keys(), numbers.keys())
    if problem:
        raise DataError(" ".join([problem, *(f"Found: {'; '.join(left)}." for _ in left[:1])]))
    names = sorted(pictures)
    return Pairs(
        tuple(pictures[name] for name in names),
        tuple(numbers[name] for name in names),
        (*notes, *left),
    )


def _folders(folder: Path) -> tuple[Path, Path]:
    """The folders of the images and of the annotations."""
    images, maps = _named(folder, _IMAGES), _named(folder, _MAPS)
    if len(images) == len(maps) == 1:
        return images[0], maps[0]
    if images and maps:
        several = some(path.name for path in (*images, *maps))
        raise DataError(
            f"{folder} has the folders {several}; keep one for images and one for maps."
        )
    inside = [path.name for path in _subfolders(folder)]
    has = f"it has the folders {some(inside)}" if inside else "it has no folders"
    places = (folder.parent, *_subfolders(folder))
    near = [path for path in places if _named(path, _IMAGES) and _named(path, _MAPS)]
    advice = f" Pass {some(near)}." if near else ""
    raise DataError(f"{folder} does not have {_LAYOUT}; {has}.{advice}")


def _split(images: Path, maps: Path) -> tuple[Path, Path, list[str]]:
    """The folders of the split that is read, or the same ones if there are no splits; and notes."""
    splits = {path.name.lower(): path for path in _subfolders(images)}
    name = next((name for name in _SPLITS if name in splits), None)
    if name is None:
        return images, maps, []
    chosen = splits.pop(name)
    own = _named(maps, (name,))
    if not own:
        raise DataError(
            f"{chosen} has no annotations: {maps} does not have the folder {name}; add it."
        )
    notes = [f"images are from {images.name}/{chosen.name}"]
    if splits:
        rest = some(f"{images.name}/{path.name}" for path in splits.values())
        notes[0] += f"; {rest} {'was' if len(splits) == 1 else 'were'} left out"
    if count := len(beside(images).images):
        notes.append(f"left out {quantity(count, 'image')} beside {images.name}/{chosen.name}")
    return chosen, own[0], notes


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_ignored(path.name))


def _named(folder: Path, names: tuple[str, ...]) -> list[Path]:
    """The folders in a folder with one of these names, in any case."""
    return [path for path in _subfolders(folder) if path.name.lower() in names]


def _by_name(folder: Path, tree: Tree) -> dict[str, Path]:
    """Files by their path below the folder, without the ending."""
    found: dict[str, Path] = {}
    for path, _ in tree.images:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(
                f"{found[name]} and {path.name} have the same name without the ending, so that "
                "one annotation belongs to both; rename or remove one."
            )
        found[name] = path
    return found


def _unpaired(images: Path, maps: Path, pictures: Iterable[str], numbers: Iterable[str]) -> str:
    """The message for images without annotation, or the opposite; empty if all have a partner."""
    own, annotated = set(pictures), set(numbers)
    if not own:
        return f"{images} has no image; supported formats: {', '.join(sorted(endings()))}."
    if not annotated:
        return f"{maps} has no annotation; put a PNG with class numbers there for each image."
    if missing := sorted(own - annotated):
        return (
            f"{quantity(len(missing), 'image')} of {images} without annotation: {some(missing)}; "
            f"put a PNG with the same name into {maps}, or remove the image."
        )
    if extra := sorted(annotated - own):
        return (
            f"{quantity(len(extra), 'annotation')} of {maps} without image: {some(extra)}; put an "
            f"image with the same name into {images}, or remove the annotation."
        )
    return ""
