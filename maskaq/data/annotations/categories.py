"""Which class of the model a category of a COCO file is."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from maskaq.data.classes import loosely
from maskaq.data.folder.items import printable, quantity, some
from maskaq.errors import DataError

_SHOWN = 3  # categories in a message


def classes_of(
    path: Path, categories: Mapping[int, str], used: Collection[int], class_names: Sequence[str]
) -> tuple[dict[int, int], tuple[str, ...]]:
    """The index of the class by the id of the category, and notes.

    Names are compared without regard to case and separators. If one that has objects is not a class
    of the model, and there are as many categories as classes, the categories in order of their ids
    are the classes, unless a name that both have is at another place.

    Args:
        categories: names by id.
        used: ids of categories with objects; the others may be unknown to the model.
        class_names: of the model, in the order of its outputs.

    Raises:
        DataError: a category with objects is not a class of the model, or two are the same one.

    >>> classes_of(Path("a.json"), {7: "Cat", 9: "dog"}, {7, 9}, ["dog", "cat"])
    ({7: 1, 9: 0}, ())
    """
    table = _by_name(class_names)
    found = {
        number: table[loosely(name)]
        for number, name in categories.items()
        if loosely(name) in table
    }
    missing = [number for number in sorted(used) if number not in found]
    places = {number: place for place, number in enumerate(sorted(categories))}
    if not missing:
        _refuse_same(path, {number: found[number] for number in used}, categories)
        idle = [name for number, name in categories.items() if number not in found]
        unknown = f"{quantity(len(idle), 'category')} without objects or a class of the model"
        return found, (f"{unknown}: {some(idle)}",) if idle else ()
    same = len(categories) == len(class_names)
    if same and all(places[number] == index for number, index in found.items()):
        pairs = [f"{categories[one]!r} is {class_names[places[one]]!r}" for one in missing]
        return places, (
            "categories are matched with classes by their order, because the model does not have "
            f"{quantity(len(missing), 'name')} of them: {some(pairs)}",
        )
    raise DataError(_refusal(path, [categories[number] for number in missing], table, class_names))


def _by_name(class_names: Sequence[str]) -> dict[str, int]:
    """Indices by name without case and separators; names of several classes are left out."""
    names = [loosely(name) for name in class_names]
    counts = Counter(names)
    return {name: index for index, name in enumerate(names) if counts[name] == 1}


def _refuse_same(path: Path, found: Mapping[int, int], categories: Mapping[int, str]) -> None:
    """Refuse two categories that are the same class."""
    first: dict[int, int] = {}
    for number, index in sorted(found.items()):
        other = first.setdefault(index, number)
        if other != number:
            raise DataError(
                f"{path} has the categories {categories[other]!r} and {categories[number]!r}, "
                "which name the same class of the model; make one of them."
            )


def _refusal(
    path: Path, missing: Sequence[str], table: Mapping[str, int], class_names: Sequence[str]
) -> str:
    """The message for categories that are no classes: their names, and the nearest classes."""
    shown = []
    for name in missing[:_SHOWN]:
        near = difflib.get_close_matches(loosely(name), table, n=1)
        hint = f" (did you mean {class_names[table[near[0]]]!r}?)" if near else ""
        shown.append(f"{printable(name)!r}{hint}")
    more = f" and {len(missing) - _SHOWN:,} more" if len(missing) > _SHOWN else ""
    return (
        f"{path} has {quantity(len(missing), 'category')} with objects that the model does not "
        f"have: {', '.join(shown)}{more}. The model has {some(map(repr, class_names))}; rename the "
        "categories, or pass the names of the model's classes with --class-names FILE."
    )
