"""Write the table of models for the app's menus: `python -m benchmarks.model_names`.

The app never imports timm, which takes seconds, so the facts that it needs before a model is loaded
(numbers of blocks, heads and patches) are stored in a small file. Run this again when timm is
updated; a test compares the file with the installed timm.
"""

import json
from dataclasses import asdict
from typing import Any, TypedDict

from maskaq.models.architectures import BUNDLED, build, pretrained, timm_names
from maskaq.models.menu import FILE


class Row(TypedDict):
    """One line of the file.

    grid: patches in rows and columns. size: side in pixels. pretrained: timm's classifier, as the
    fields of `Pretrained`; None without one.
    """

    depth: int
    heads: int
    grid: list[int]
    size: int
    pretrained: dict[str, Any] | None


def row(name: str) -> Row:
    """The shape of an architecture, and its pretrained classifier."""
    model = build(name)
    rows, columns = model.patch_embed.grid_size
    classifier = None if name in BUNDLED else pretrained(name)
    return {
        "depth": len(model.blocks),
        "heads": model.blocks[0].attn.num_heads,
        "grid": [rows, columns],
        "size": model.patch_embed.img_size[0],
        "pretrained": classifier and asdict(classifier),
    }


def main() -> None:
    """Write the file, one model per line, and print their number."""
    rows = {name: row(name) for name in (*BUNDLED, *timm_names())}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in rows.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(rows)} models in {FILE}")


if __name__ == "__main__":
    main()
