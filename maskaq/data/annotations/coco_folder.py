"""Which file of a folder has the boxes, and where the images are that it names.

COCO has `annotations/instances_val2017.json` and `val2017/`; others have the images in `images/`,
or beside the JSON file.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from maskaq.data.folder.finding import beside
from maskaq.data.folder.items import printable, quantity, some
from maskaq.errors import DataError

_ENDING = ".json"
_PREFIX = "instances_"
_ANNOTATIONS = "annotations"
_LAYOUT = (
    "`annotations/instances_val*.json` in COCO's format, and the images in `val2017`, in `images`, "
    "or beside the JSON file"
)


def find_file(place: Path) -> tuple[Path, tuple[str, ...]]:
    """The JSON file that a path means: itself, or the one for validation of a folder; and notes.

    Raises:
        DataError: there is none, or several.
    """
    if os.path.isfile(place):
        return place, ()
    if not os.path.isdir(place):
        raise DataError(f"{place} is not a folder; pass one that has {_LAYOUT}, or the JSON file.")
    try:
        folders = [path for path in _inside(place) if path.name.lower() == _ANNOTATIONS]
        files = [
            path
            for folder in (*folders, place)
            for path in _inside(folder)
            if path.suffix.lower() == _ENDING and path.is_file()
        ]
    except OSError as error:
        raise DataError(f"{place} cannot be listed: {error.strerror}.") from error
    objects = [path for path in files if path.name.lower().startswith(_PREFIX)]
    validation = [path for path in objects if path.name.lower().startswith(f"{_PREFIX}val")]
    found = validation or objects or files
    if not found:
        raise DataError(f"{place} has no JSON file; pass a folder that has {_LAYOUT}.")
    if len(found) > 1:
        raise DataError(f"{place} has several JSON files; pass one of them: {some(found)}.")
    note = f"objects are from {found[0].relative_to(place)}"
    rest = [path.name for path in objects if path != found[0]]
    if rest:
        note += f"; {some(rest)} {'was' if len(rest) == 1 else 'were'} left out"
    return found[0], (note,)


def find_images(file: Path, names: Sequence[str]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The images that a JSON file names, in the same order, and notes.

    Links are followed, also out of the folder, as in class folders.

    Raises:
        DataError: a name leads out of the folder, is there twice, or has no file.
    """
    plain = [_plain(file, name) for name in names]
    seen: set[str] = set()
    for name in plain:
        if name in seen:
            raise DataError(
                f"{file} has several images with the file_name {printable(name)!r}; make one of "
                "them, with all annotations."
            )
        seen.add(name)
    folders = _image_folders(file)
    missing = {
        folder: [name for name in plain if not os.path.isfile(folder / name)] for folder in folders
    }
    chosen = min(folders, key=lambda folder: len(missing[folder]))  # the first of the best
    lacks = missing[chosen]
    if len(lacks) == len(plain):
        raise DataError(
            f"{file} names {quantity(len(plain), 'image')}, such as {some(plain[:1])}, of which "
            f"none is in {some(folders)}; put them there."
        )
    if lacks:
        raise DataError(
            f"{chosen} lacks {quantity(len(lacks), 'image')} of {file}: {some(lacks)}; add them, "
            "or remove their entries from the JSON file."
        )
    return tuple(chosen / name for name in plain), _left_out(file, chosen, seen)


def _plain(file: Path, name: str) -> str:
    """A file name with `/` between its parts, which stays in the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    absolute = path.is_absolute() or PureWindowsPath(name).drive
    if absolute or ".." in path.parts or "\0" in name or not path.parts:
        raise DataError(
            f"{file} has an image with the file_name {printable(name[:80])!r}, which is outside of "
            "the folder of the images; allowed are paths below it, such as 'a.jpg'."
        )
    return path.as_posix()


def _image_folders(file: Path) -> list[Path]:
    """The folders where the images may be, the most likely one first."""
    own = file.parent
    root = own.parent if own.name.lower() == _ANNOTATIONS else own
    split = file.stem[len(_PREFIX) :] if file.name.lower().startswith(_PREFIX) else "val2017"
    try:
        inside = [path for path in _inside(root) if path.name.lower().startswith("val")]
    except OSError:
        inside = []
    likely = [root / split, root / "images" / split, *inside, root / "images", own, root]
    return list(dict.fromkeys(path for path in likely if os.path.isdir(path)))


def _left_out(file: Path, folder: Path, names: set[str]) -> tuple[str, ...]:
    """A note about images in the folder that the file does not name."""
    try:
        tree = beside(folder)
    except OSError:
        return ()
    extra = [path.name for path, _ in tree.images if path.name not in names]
    if not extra:
        return ()
    return (
        f"left out {quantity(len(extra), 'image')} that {file.name} does not name: {some(extra)}",
    )


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
