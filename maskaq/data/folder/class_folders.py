"""Images in one folder for each class, which is named after the class."""

from __future__ import annotations

from pathlib import Path

from maskaq.data.classes import Classes
from maskaq.data.folder.finding import Tree, beside, is_ignored, walk
from maskaq.data.folder.items import Item, Listing, count_note, in_order, quantity, some
from maskaq.errors import DataError


def subfolders(folder: Path, classes: Classes) -> list[Path]:
    """Folders in a folder, without ignored ones unless a class has this name, in order."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir()
        and not path.name.startswith(".")
        and (not is_ignored(path.name) or classes.find(path.name) is not None)
    )


def list_class_folders(folder: Path, classes: Classes) -> Listing:
    """The images below the class folders, at any depth; each file once for a class.

    Raises:
        DataError: a folder with images is not named after a class.
    """
    found = {path: walk(path, folder) for path in subfolders(folder, classes)}
    labels = {path: classes.find(path.name) for path in found}
    unknown = [path.name for path in found if labels[path] is None and found[path].images]
    if unknown:
        raise DataError(unknown_folders(folder, unknown, classes))
    tree = _beside(folder, found)
    for part in found.values():
        tree += part
    real: dict[tuple[str, int], Path] = {}  # the first path of each file and class
    for path, part in found.items():
        for image, target in part.images:
            real.setdefault((target, labels[path] or 0), image)
    tree.linked += sum(len(part.images) for part in found.values()) - len(real)
    items = in_order(Item(image, label) for (_, label), image in real.items())
    named = {path.name for path, part in found.items() if part.images}
    notes = [*tree.notes(), *count_note(named, classes), *_shared_note([*real])]
    nested = sum(image.parent != path for path, part in found.items() for image, _ in part.images)
    if nested:
        notes.append(f"read {quantity(nested, 'image')} in subfolders of class folders, too")
    if items and len(named) < len(found):
        empty = [path.name for path in found if path.name not in named]
        notes.append(f"{quantity(len(empty), 'folder')} without images: {some(empty)}")
    return Listing(items, tuple(notes))


def unknown_folders(folder: Path, unknown: list[str], classes: Classes) -> str:
    """The message for folders that are not named after a class."""
    return (
        f"{folder} has {len(unknown)} folders that are not named after a class of the model, "
        f"such as {unknown[0]!r}; allowed: {classes.allowed()}.{classes.hint(unknown)}"
    )


def _beside(folder: Path, found: dict[Path, Tree]) -> Tree:
    """What lies beside the class folders; its images are counted as left out."""
    tree = beside(folder)
    tree.outside, tree.images = len(tree.images), []
    for path in found:
        tree.ignored.pop(path.name, None)  # a class folder after all
    return tree


def _shared_note(real: list[tuple[str, int]]) -> list[str]:
    """A note about files that belong to several classes."""
    labels: dict[str, set[int]] = {}
    for path, label in real:
        labels.setdefault(path, set()).add(label)
    shared = [Path(path).name for path, found in labels.items() if len(found) > 1]
    if not shared:
        return []
    return [f"{quantity(len(shared), 'image')} in more than one class: {some(shared)}"]
