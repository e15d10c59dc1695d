"""The files of a folder: which are images, and which are left out, with their numbers."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from maskaq.data.decoding import endings, is_picture
from maskaq.data.folder.items import by_ending, quantity, some

# Folders that programs make beside images, in lower case.
_MADE = frozenset(
    (
        "__macosx",
        "@eadir",
        "__pycache__",
        "$recycle.bin",
        "#recycle",
        "lost+found",
        "system volume information",
        "checkpoints",
        "thumbs",
        "thumbnail",
        "thumbnails",
        "_thumbs",
        "_thumbnails",
    )
)
_SYSTEM_FILES = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db"))


@dataclass
class Tree:
    """The files below a folder, and what was left out of them.

    images: each with its path without links. others: files that are no images. odd: images whose
    ending is not that of an image. ignored: number of images by name of the ignored folder, "" for
    hidden files. outside: images beside the class folders. linked: links to what was already found.
    broken: links to nothing. special: pipes and devices. closed: folders that cannot be listed.
    """

    images: list[tuple[Path, str]] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    odd: list[Path] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    outside: int = 0
    linked: int = 0
    broken: list[Path] = field(default_factory=list)
    special: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)

    def __iadd__(self, other: Tree) -> Tree:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self

    def notes(self) -> list[str]:
        """A sentence for each kind of file that was left out."""
        sentences = []
        folders = sorted(name for name in self.ignored if name)
        if count := sum(self.ignored[name] for name in folders):
            sentences.append(
                f"left out {quantity(count, 'image')} in hidden folders and folders that programs "
                f"make ({some(folders)})"
            )
        if count := self.ignored[""]:
            hidden = quantity(count, "hidden image")
            sentences.append(f"left out {hidden} (names that start with .)")
        if self.outside:
            images = quantity(self.outside, "image")
            sentences.append(f"left out {images} beside the class folders")
        if self.others:
            are = "is not an image" if len(self.others) == 1 else "are not images"
            files = quantity(len(self.others), "file")
            sentences.append(f"{files} {are}: {by_ending(self.others)}")
        if self.odd:
            files = quantity(len(self.odd), "image")
            sentences.append(f"read {files} with another ending: {by_ending(self.odd)}")
        if self.linked:
            links = quantity(self.linked, "link")
            sentences.append(f"left out {links} to images or folders that were already read")
        for noun, paths in (
            ("broken link", self.broken),
            ("special file", self.special),
            ("unreadable folder", self.closed),
        ):
            if paths:
                names = some(path.name for path in paths)
                sentences.append(f"left out {quantity(len(paths), noun)}: {names}")
        return sentences


def is_ignored(name: str) -> bool:
    """Whether a folder or file is hidden, or made by a program beside the images."""
    return name.startswith(".") or name.lower() in _MADE


def subfolder_names(folder: str | Path) -> tuple[str, ...]:
    """Names of the folders in a folder, in alphabetical order; none if it is not a folder.

    For models without classes of their own, whose images may have any.
    """
    place = Path(folder)
    inside = place.iterdir() if place.is_dir() else ()
    return tuple(sorted(one.name for one in inside if one.is_dir() and not is_ignored(one.name)))


def walk(folder: Path, top: Path | None = None) -> Tree:
    """All files below a folder.

    Links to folders are followed once; those to `top`, the folder that was passed, or to a folder
    around it are not followed.
    """
    start = os.path.realpath(top or folder)
    around = {start, *map(str, Path(start).parents)}
    tree, seen = Tree(), set(around)
    real = os.path.realpath(folder)
    if top is None or real not in around:
        seen.add(real)
        _enter(folder, real, tree, seen)
    else:
        tree.linked += 1
    return tree


def beside(folder: Path) -> Tree:
    """The files directly in a folder, and the images in its ignored folders."""
    tree, real, seen = Tree(), os.path.realpath(folder), set[str]()
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if not _is_folder(entry):
            _add(entry, folder / entry.name, _target(entry, real), tree, seen)
        elif is_ignored(entry.name):
            tree.ignored[entry.name] += _count_images(entry.path)
    return tree


def _enter(folder: Path, real: str, tree: Tree, seen: set[str]) -> None:
    """Add the files of a folder. seen: paths without links of all files and folders so far."""
    waiting = [(folder, real)]
    while waiting:
        path, real = waiting.pop()
        try:
            entries = sorted(os.scandir(path), key=lambda entry: entry.name)
        except OSError:
            tree.closed.append(path)
            continue
        for entry in entries:
            target = _target(entry, real)
            if not _is_folder(entry):
                _add(entry, path / entry.name, target, tree, seen)
            elif is_ignored(entry.name):
                tree.ignored[entry.name] += _count_images(entry.path)
            elif target in seen:
                tree.linked += 1
            else:
                seen.add(target)
                waiting.append((path / entry.name, target))


def _add(entry: os.DirEntry[str], path: Path, target: str, tree: Tree, seen: set[str]) -> None:
    """Add one file or link to a file. An entry knows its kind without asking the disk again."""
    named = path.suffix.lower() in endings()
    if path.name.startswith("."):
        tree.ignored[""] += named
    elif not _is_file(entry):
        (tree.special if path.exists() else tree.broken).append(path)
    elif path.name.lower() in _SYSTEM_FILES:
        pass  # written by the operating system, of no interest
    elif not (named or is_picture(path)):
        tree.others.append(path)
    elif target in seen:
        tree.linked += 1
    else:
        seen.add(target)
        tree.images.append((path, target))
        if not named:
            tree.odd.append(path)


def _target(entry: os.DirEntry[str], real: str) -> str:
    """The path of an entry without links. real: that of its folder."""
    return os.path.realpath(entry.path) if entry.is_symlink() else f"{real}/{entry.name}"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _count_images(folder: str) -> int:
    """Images below an ignored folder, by their endings."""
    names = (name for _, _, found in os.walk(folder) for name in found)
    return sum(os.path.splitext(name)[1].lower() in endings() for name in names)
