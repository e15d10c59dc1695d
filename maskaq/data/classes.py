"""The classes of a model, and how a label from a folder or a table names one of them."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

_SEPARATORS = re.compile(r"[\s_/-]+")
_AMBIGUOUS = -1


@dataclass(frozen=True)
class Classes:
    """The classes of a model, in the order of its outputs.

    count: 0 if unknown. names: of the classes. synsets: their WordNet ids. Both may be empty.
    """

    count: int = 0
    names: tuple[str, ...] = ()
    synsets: tuple[str, ...] = ()

    def find(self, label: str) -> int | None:
        """The index of the class that a label names; None if it names none, or several.

        A label is, in this order: a synset, a name, an index (`7`, `007`), or a name that differs
        only in case, `_`, `-`, `/` and spaces. Of a name with commas, its first part is enough.
        If a class has a number as its name, numbers are names, not indices.

        >>> classes = Classes(2, ("tench, Tinca tinca", "great white shark"))
        >>> classes.find("Great_White-Shark"), classes.find("tench"), classes.find("01")
        (1, 0, 1)
        """
        for table in (self._synsets, self._names):
            if label in table:
                return _unless_ambiguous(table[label])
        if label.isascii() and label.isdigit():
            fits = not self._numbered and (not self.count or int(label) < self.count)
            return int(label) if fits else None
        return _unless_ambiguous(self._loose.get(loosely(label)))

    def is_index(self, label: str) -> bool:
        """Whether a label is read as the index of a class."""
        return label.isascii() and label.isdigit() and label not in self._names

    def allowed(self) -> str:
        """The labels that `find` accepts, for messages."""
        parts = []
        if self.synsets:
            parts.append(f"a synset such as {self.synsets[0]}")
        if self.names:
            parts.append(f"a class name such as {self.names[0]!r}")
        if not self._numbered:
            parts.append(
                f"the class index 0 to {self.count - 1}" if self.count else "the class index"
            )
        return ", or ".join(parts)

    def hint(self, labels: Iterable[str]) -> str:
        """What could be meant by labels that name no class: a sentence, or nothing."""
        unknown = list(labels)
        numbers = [int(label) for label in unknown if label.isascii() and label.isdigit()]
        if self.count and numbers == [self.count] and not self._numbered:
            return (
                f" If the labels count from 1, rename them to 0 to {self.count - 1}, or pass "
                "--class-names FILE with one of them a line."
            )
        for label in unknown:
            if self._loose.get(loosely(label)) == _AMBIGUOUS:
                return f" {label!r} is the name of several classes: pass their indices."
        near = difflib.get_close_matches(loosely(unknown[0]), self._loose, n=1) if unknown else []
        if near:
            return f" Did you mean {near[0]!r}?"
        return " If they are class names, pass --class-names FILE with one name a line."

    @cached_property
    def _synsets(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.synsets)}

    @cached_property
    def _names(self) -> dict[str, int]:
        return _unique((name, index) for index, name in enumerate(self.names))

    @cached_property
    def _loose(self) -> dict[str, int]:
        whole = _unique((loosely(name), index) for index, name in enumerate(self.names))
        first = _unique(
            (loosely(name.partition(",")[0]), index) for index, name in enumerate(self.names)
        )
        return first | whole

    @cached_property
    def _numbered(self) -> bool:
        return any(name.isascii() and name.isdigit() for name in self.names)


def loosely(name: str) -> str:
    """A name without case and separators.

    >>> loosely("T-shirt/Top ")
    't shirt top'
    """
    composed = unicodedata.normalize("NFC", name)  # macOS may store names decomposed
    return _SEPARATORS.sub(" ", composed).strip().casefold()


def _unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Indices by name; `_AMBIGUOUS` for a name of several."""
    table: dict[str, int] = {}
    for name, index in pairs:
        table[name] = index if table.get(name, index) == index else _AMBIGUOUS
    return table


def _unless_ambiguous(index: int | None) -> int | None:
    return None if index == _AMBIGUOUS else index
