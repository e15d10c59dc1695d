"""A named table of implementations that fills itself by decorator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from maskaq.errors import OptionError, unknown

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """Maps names to implementations; a wrong name is answered with the nearest right one.

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

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an implementation under `name` and returns it unchanged."""

        def add(entry: T) -> T:
            if name in self._entries:
                raise OptionError(f"{self._what} {name!r} is registered twice.")
            self._entries[name] = entry
            return entry

        return add

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
