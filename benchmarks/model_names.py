"""Write the table of models for the app's menus: `python -m benchmarks.model_names`.

The app never imports timm, which takes seconds; so what it must know of a model before one is
loaded (how many blocks, heads and patches) is kept in a small file. Run this again when timm is
updated; a test compares the file with the installed timm.
"""

from __future__ import annotations

import json
from typing import TypedDict

from maskaq.models.architectures import BUNDLED, build, timm_names
from maskaq.models.menu import FILE


class Row(TypedDict):
    """One line of the file. grid: patches in rows and columns. size: side in pixels."""

    depth: int
    heads: int
    grid: list[int]
    size: int


def row(name: str) -> Row:
    """The shape of a model, read off its bare architecture."""
    model = build(name)
    rows, columns = model.patch_embed.grid_size
    return {
        "depth": len(model.blocks),
        "heads": model.blocks[0].attn.num_heads,
        "grid": [rows, columns],
        "size": model.patch_embed.img_size[0],
    }


def main() -> None:
    """Write the file, one model a line, and say how many there are."""
    rows = {name: row(name) for name in (*BUNDLED, *timm_names())}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(found)}" for name, found in rows.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(rows)} models in {FILE}")


if __name__ == "__main__":
    main()
