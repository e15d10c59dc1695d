"""In which form a folder has its labels, and advice if it has none."""

from __future__ import annotations

from pathlib import Path

from maskaq.data.classes import Classes
from maskaq.data.decoding import endings
from maskaq.data.folder import imagenet, parquet, tables
from maskaq.data.folder.class_folders import list_class_folders, subfolders, unknown_folders
from maskaq.data.folder.finding import Tree, is_ignored, walk
from maskaq.data.folder.items import Listing
from maskaq.errors import DataError

# Names of parts of a data set, those for evaluation first.
_SPLITS = ("val", "validation", "valid", "test", "testing", "eval", "dev", "train", "training")


def list_images(place: str | Path, classes: Classes) -> Listing:
    """The labelled images of a folder, of a table beside images, or of Parquet files.

    Raises:
        DataError: it does not exist, has another form, or a label names no class.
    """
    path = Path(place)
    if path.is_dir():
        try:
            return _checked(path, _of_folder(path, classes), classes)
        except OSError as error:
            raise DataError(f"{path} cannot be listed: {error.strerror}.") from error
    if files := _parquet_files(path):
        return _checked(path, parquet.list_parquet(files, classes), classes)
    if path.is_file() and path.suffix.lower() in tables.ENDINGS:
        listing = tables.list_table(path.parent, walk(path.parent), classes, path)
        return _checked(path, listing, classes)
    raise DataError(
        f"{path} is not a folder; pass one with a subfolder for each class, a table of labels "
        "beside the images, or a Parquet file."
    )


def count_images(place: str | Path) -> int:
    """Images of a folder or of Parquet files, with or without a label.

    Raises:
        DataError: a Parquet file is damaged.
    """
    path = Path(place)
    if path.is_file() and path.suffix.lower() in tables.ENDINGS:
        path = path.parent
    found = len(walk(path).images) if path.is_dir() else 0
    return found or sum(map(parquet.count_rows, _parquet_files(path)))


def _parquet_files(path: Path) -> list[Path]:
    """The Parquet files that a path means: itself, a pattern, or all below a folder."""
    if path.is_dir():
        found = path.rglob(f"*{parquet.ENDING}")
        below = [one for one in found if one.is_file()]
        return sorted(one for one in below if not any(map(is_ignored, one.relative_to(path).parts)))
    if path.suffix.lower() != parquet.ENDING:
        return []
    return [path] if path.is_file() else sorted(path.parent.glob(path.name))


def _of_folder(path: Path, classes: Classes) -> Listing:
    folders = subfolders(path, classes)
    if any(classes.find(folder.name) is not None for folder in folders):
        return list_class_folders(path, classes)
    tree = walk(path)
    if imagenet.is_validation_set(tree):
        return imagenet.list_validation_set(tree, classes)
    if tree.images and tables.has_table(path, tree):
        return tables.list_table(path, tree, classes)
    _refuse_splits(path, folders)
    if files := _parquet_files(path):
        return parquet.list_parquet(files, classes)
    return _refuse(path, folders, tree, classes)


def _refuse_splits(path: Path, folders: list[Path]) -> None:
    """Refuse a folder of train and val with the path to pass."""
    names = {folder.name.lower(): folder for folder in folders}
    splits = [name for name in _SPLITS if name in names]
    if splits:
        found = ", ".join(names[name].name for name in sorted(splits))
        raise DataError(
            f"{path} has a folder for each split ({found}), not for each class; pass one of them: "
            f"{names[splits[0]]}."
        )


def _refuse(path: Path, folders: list[Path], tree: Tree, classes: Classes) -> Listing:
    """Refuse a folder without labels, with the path to pass if there is an extra level."""
    flat = sum(image.parent == path for image, _ in tree.images)
    if len(folders) == 1 and not flat and subfolders(folders[0], classes):
        inner = _inner(folders[0], classes)
        raise DataError(f"{path} has only the folder {folders[0].name}; pass {inner}.")
    if folders and 2 * flat < len(tree.images):
        raise DataError(unknown_folders(path, [folder.name for folder in folders], classes))
    if tree.images:
        tables.list_table(path, tree, classes)  # raises an error with the reason
    return Listing(())


def _inner(path: Path, classes: Classes) -> Path:
    """Through folders that only have one folder of folders, and into the split for evaluation."""
    while True:
        inside = [one for one in subfolders(path, classes) if not one.is_symlink()]
        names = {one.name.lower(): one for one in inside}
        split = next((names[name] for name in _SPLITS if name in names), None)
        if split is not None:
            return split
        if len(inside) != 1 or not subfolders(inside[0], classes):
            return path
        path = inside[0]


def _checked(path: Path, listing: Listing, classes: Classes) -> Listing:
    if not listing.items:
        left = f" Found: {'; '.join(listing.notes)}." if listing.notes else ""
        raise DataError(
            f"{path} has no image in a class folder; put images in folders named by class: "
            f"{classes.allowed()}.{left} Supported formats: {', '.join(sorted(endings()))}."
        )
    return listing
