"""The formulas that the app shows, each with its paper and equation; read from `formulas.toml`."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from maskaq.registry import Registry

FILE = Path(__file__).with_suffix(".toml")


@dataclass(frozen=True)
class Formula:
    """A formula. latex: for KaTeX. meaning: its symbols in words. paper: its source.

    equation: `Eq. 5` and the like; "" if the source does not number it.
    """

    latex: str
    meaning: str
    paper: str
    equation: str = ""

    @property
    def source(self) -> str:
        """Paper and equation in one line."""
        return f"{self.paper}, {self.equation}" if self.equation else self.paper


FORMULAS: Registry[Formula] = Registry("formula")
for _name, _fields in tomllib.loads(FILE.read_text()).items():
    # Long texts have line breaks in the file.
    FORMULAS.add(_name, Formula(**{key: " ".join(text.split()) for key, text in _fields.items()}))
