"""Named tables: entries by name, and implementations that are imported on first use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Generic, Protocol, TypeVar

from maskaq.errors import OptionError, unknown

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Maps names to entries; looking up an unknown name raises an error with the nearest name.

    >>> colours: Registry[int] = Registry("colour")
    >>> @colours.register("red")
    ... def red() -> int: ...
    >>> list(colours)
    ['red']
    >>> colours["rad"]
    Traceback (most recent call last):
    maskaq.errors.OptionError: unknown colour 'rad'; did you mean 'red'? Allowed: red.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, T] = {}

    def add(self, name: str, entry: T) -> T:
        """Add an entry and return it.

        Raises:
            OptionError: the name is taken.
        """
        if name in self._entries:
            raise OptionError(f"{self._what} {name!r} is registered twice.")
        self._entries[name] = entry
        return entry

    def remove(self, name: str) -> None:
        """Remove an entry, for tests that add one."""
        del self._entries[name]

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an entry under `name` and returns it unchanged."""
        return lambda entry: self.add(name, entry)

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise OptionError(unknown(self._what, name, self._entries))
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


class HasImplementation(Protocol):
    """An entry that names its implementation as `module:attribute`."""

    @property
    def implementation(self) -> str: ...


class Implementations(Mapping[str, T], Generic[T]):
    """The implementations behind a registry, each imported when it is first looked up."""

    def __init__(self, infos: Mapping[str, HasImplementation]) -> None:
        self._infos = infos

    def __getitem__(self, name: str) -> T:
        module, _, attribute = self._infos[name].implementation.partition(":")
        found: T = getattr(import_module(module), attribute)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._infos

    def __iter__(self) -> Iterator[str]:
        return iter(self._infos)

    def __len__(self) -> int:
        return len(self._infos)
