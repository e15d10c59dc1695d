"""Write the table of models for the app's menus: `python -m benchmarks.model_names`.

The app never imports timm, which takes seconds, so the facts that it needs before a model is loaded
(numbers of blocks, heads and patches) are stored in a small file. Run this again when timm is
updated; a test compares the file with the installed timm.
"""

import json
from contextlib import suppress
from dataclasses import asdict
from typing import Any, TypedDict

import timm
from tqdm import tqdm

from maskaq.errors import ModelError
from maskaq.models.architectures import BUNDLED, MODULES, build, pretrained
from maskaq.models.backbone import attention_modules, tokens_of
from maskaq.models.menu import FILE
from maskaq.models.structure import example_input, structure_of


class Row(TypedDict):
    """One line of the file.

    depth: number of blocks. heads: of each block if they differ, else of all. grid: patches in rows
    and columns. size: side in pixels. pretrained: timm's classifier, as the fields of `Pretrained`;
    None without one.
    """

    depth: int
    heads: int | list[int]
    grid: list[int]
    size: int
    pretrained: dict[str, Any] | None


def row(name: str) -> Row:
    """The shape of an architecture, and its pretrained classifier."""
    model = build(name)
    tokens, calls = tokens_of(model), structure_of(model).attention
    blocks = len(attention_modules(model))  # attention that pools comes after them
    heads = [call.shape[1] for call in calls.values()][:blocks]
    classifier = None if name in BUNDLED else pretrained(name)
    return {
        "depth": len(heads),
        "heads": heads[0] if len({*heads}) == 1 else heads,
        "grid": [*tokens.grid],
        "size": example_input(model).shape[-1],
        "pretrained": classifier and asdict(classifier),
    }


def supported() -> dict[str, Row]:
    """The bundled models, and those of timm that build, in the families that are listed."""
    found = {}
    for name in tqdm([*BUNDLED, *timm.list_models(module=MODULES)], unit="model"):
        with suppress(ModelError):
            found[name] = row(name)
    return found


def main() -> None:
    """Write the file, one model per line, and print their number."""
    rows = supported()
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(shape)}" for name, shape in rows.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")
    print(f"{len(rows)} models in {FILE}")


if __name__ == "__main__":
    main()
