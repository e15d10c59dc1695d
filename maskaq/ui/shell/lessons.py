"""The guided lessons, read from `lessons.toml`, which says what its fields mean."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from maskaq.errors import OptionError, unknown
from maskaq.registry import Registry
from maskaq.ui.state import pages
from maskaq.ui.state.pages import PageSpec

__all__ = ["LESSONS", "PICTURE", "RUN", "Lesson", "Step", "parse"]

FILE = Path(__file__).with_suffix(".toml")
# Instead of the key of a control: the visitor starts a run, or chooses a picture of the playground.
RUN, PICTURE = "run", "stored picture"
_SHARED = {key for spec in pages.PAGES for keys in spec.tabs.values() for key in keys}
_SPECS = {Path(spec.file).stem: spec for spec in pages.PAGES}


@dataclass(frozen=True)
class Step:
    """One step of a lesson.

    page, tab: where to do it. text: what to do. notice: what to see then. control: the key of the
    control in the session, `RUN`, `PICTURE`, or "" for opening the tab. goal: values of the control
    that complete the step, at_least: the smallest one; without both, any change does.
    """

    page: PageSpec
    text: str
    notice: str
    tab: str = ""
    control: str = ""
    goal: tuple[object, ...] = ()
    at_least: float | None = None

    def __post_init__(self) -> None:
        if self.tab not in self.page.tabs:
            raise OptionError(unknown(f"tab of {self.page.title}", self.tab, self.page.tabs))
        if self.control in _SHARED - set(self.page.tabs[self.tab]):
            where = f"{self.page.title} {self.tab}".strip()
            raise OptionError(f"the control {self.control!r} does not act on {where}.")
        if (self.goal or self.at_least is not None) and self.control in ("", RUN, PICTURE):
            raise OptionError(f"a goal needs a control with a value, not {self.control!r}.")

    @property
    def query(self) -> dict[str, str]:
        """The URL parameter that opens the tab."""
        return {self.page.parameter: self.tab} if self.tab else {}

    def reached(self, value: object, before: object) -> bool:
        """Whether a value of the control completes the step. before: its value at the start."""
        if self.at_least is not None:
            return isinstance(value, int | float) and value >= self.at_least
        return value in self.goal if self.goal else value != before


@dataclass(frozen=True)
class Lesson:
    """A lesson. learn: what it teaches. question, answer: shown at the end."""

    title: str
    learn: str
    steps: tuple[Step, ...]
    question: str
    answer: str
    minutes: int = 10


def parse(text: str) -> Registry[Lesson]:
    """Read lessons, by name.

    Raises:
        OptionError: a lesson or a step lacks a field, or has one that is not allowed.
    """
    found: Registry[Lesson] = Registry("lesson")
    for name, table in tomllib.loads(text).items():
        steps = []
        for number, step in enumerate(table.get("steps", []), 1):
            try:
                page = _SPECS.get(step.get("page"))
                if page is None:
                    raise OptionError(unknown("page", step.get("page"), _SPECS))
                goal = tuple(step.get("goal", ()))
                steps.append(Step(**_checked(Step, step) | {"page": page, "goal": goal}))
            except OptionError as error:
                raise OptionError(f"lesson {name!r}, step {number}: {error}") from error
        try:
            found.add(name, Lesson(**_checked(Lesson, table) | {"steps": tuple(steps)}))
        except OptionError as error:
            raise OptionError(f"lesson {name!r}: {error}") from error
    return found


def _checked(kind: type[Any], table: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a table, with long texts in one line; all must exist, and none be empty."""
    allowed = {field.name: field for field in fields(kind)}
    for name in table:
        if name not in allowed:
            raise OptionError(unknown("field", name, allowed))
    for name in ("title", "learn", "steps", "question", "answer", "text", "notice"):
        if name in allowed and not table.get(name):
            raise OptionError(f"the field {name!r} is missing or empty.")
    return {
        name: " ".join(value.split()) if isinstance(value, str) else value
        for name, value in table.items()
    }


LESSONS = parse(FILE.read_text())
