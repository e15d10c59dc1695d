"""The models to choose from, known without timm: their names and shapes, read from a small file.

`python -m benchmarks.model_names` writes the file; a test compares it with the installed timm.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

from maskaq.errors import ModelError, unknown

__all__ = ["BUNDLED", "FILE", "Shape", "shape_of", "shapes"]

FILE = Path(__file__).with_name("timm_names.json")
BUNDLED = "scenes_vit"  # the one whose weights ship with the library


@dataclass(frozen=True)
class Shape:
    """What a menu must know of a model. grid: patches in rows and columns. size: side in pixels."""

    depth: int
    heads: int
    grid: tuple[int, int]
    size: int

    @property
    def patches(self) -> int:
        """Patches of one image."""
        return self.grid[0] * self.grid[1]


@cache
def shapes() -> Mapping[str, Shape]:
    """Every supported model by name, the bundled one first."""
    rows = json.loads(FILE.read_text())
    return MappingProxyType(
        {name: Shape(**{**row, "grid": tuple(row["grid"])}) for name, row in rows.items()}
    )


def shape_of(name: str) -> Shape:
    """The shape of one model.

    Raises:
        ModelError: no supported model has this name.
    """
    if name not in shapes():
        raise ModelError(unknown("model", name, [BUNDLED, "deit_tiny_patch16_224"]))
    return shapes()[name]
