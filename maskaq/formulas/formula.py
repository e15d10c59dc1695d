"""The formula type and the registry of all formulas."""

from __future__ import annotations

from dataclasses import dataclass

from maskaq.registry import Registry

MASKAQ = "MaskAQ (Qian et al., ICML 2026, arXiv 2606.04373)"


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


def add(name: str, latex: str, meaning: str, paper: str, equation: str = "") -> None:
    FORMULAS.register(name)(Formula(latex, meaning, paper, equation))
