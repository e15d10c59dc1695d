"""Nested settings by their dotted names, such as `fit.reconstruction.steps`."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar


class _Options(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


T = TypeVar("T", bound=_Options)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting by its dotted name, from `dataclasses.asdict`.

    >>> flat({"seed": 1, "fit": {"lr": 0.1}})
    {'seed': 1, 'fit.lr': 0.1}
    """
    return dict(_leaves(values, prefix))


def _leaves(values: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):  # as JSON and `asdict` make them; a Mapping is looked up slowly
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def names_of(options: _Options, prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings of a dataclass and of those nested in it."""
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from names_of(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


def keep_only(options: T, names: Collection[str], base: T, prefix: str = "") -> T:
    """The options with every setting that is not named taken from `base`.

    names: dotted names of the settings to keep.
    """
    changed: dict[str, Any] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            nested = getattr(base, field.name)
            changed[field.name] = keep_only(value, names, nested, f"{prefix}{field.name}.")
        elif prefix + field.name not in names:
            changed[field.name] = getattr(base, field.name)
    return replace(options, **changed)
