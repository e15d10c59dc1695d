"""Named tables: entries by name, and implementations that are imported on first use."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeVar

from maskaq.errors import OptionError, unknown

T = TypeVar("T")


class Registry(dict[str, T]):
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
        super().__init__()
        self._what = what

    def add(self, name: str, entry: T) -> T:
        """Add an entry and return it.

        Raises:
            OptionError: the name is taken.
        """
        if name in self:
            raise OptionError(f"{self._what} {name!r} is registered twice.")
        self[name] = entry
        return entry

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an entry under `name` and returns it unchanged."""
        return lambda entry: self.add(name, entry)

    def __missing__(self, name: str) -> T:
        raise OptionError(unknown(self._what, name, self))


def imported(place: str) -> Any:
    """The object at `module:attribute`."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


class Implementations(Mapping[str, T]):
    """The implementations behind a table, each imported when it is first looked up.

    place: where the implementation of an entry is, as `module:attribute`.
    """

    def __init__(
        self, table: Mapping[str, Any], place: Callable[[Any], str] = attrgetter("implementation")
    ) -> None:
        self._table, self._place = table, place

    def __getitem__(self, name: str) -> T:
        found: T = imported(self._place(self._table[name]))
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._table

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def __len__(self) -> int:
        return len(self._table)
