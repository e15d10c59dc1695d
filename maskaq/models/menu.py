"""Names and shapes of the supported models, read from a small file without importing timm.

`python -m benchmarks.model_names` writes the file; a test compares it with the installed timm.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from maskaq.config.components import TASKS, TaskInfo
from maskaq.errors import ModelError, unknown

FILE = Path(__file__).with_name("timm_names.json")
SAFETENSORS = "model.safetensors"  # the usual file of a repository of the model hub
BUNDLED = "scenes_vit"  # the default model
TRANSFORMERS = "transformers:"  # begins the name of a model of that library


class Shipped(NamedTuple):
    """A model whose weights ship with the library. task: a name in `maskaq.tasks.TASKS`."""

    kind: str
    task: str = "classification"


SHIPPED: Mapping[str, Shipped] = {
    BUNDLED: Shipped("ViT"),
    "scenes_swin": Shipped("Swin"),
    "scenes_vit_seg": Shipped("ViT", "segmentation"),
    "scenes_vit_det": Shipped("ViT", "detection"),
}


@dataclass(frozen=True)
class Shape:
    """Dimensions of a model.

    depth: number of blocks. by_block: heads of each block. grid: patches in rows and columns.
    size: side in pixels.
    """

    depth: int
    by_block: tuple[int, ...]
    grid: tuple[int, int]
    size: int

    @property
    def heads(self) -> int:
        """Heads of the block that has most."""
        return max(self.by_block)

    @property
    def patches(self) -> int:
        """Patches per image."""
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class Pretrained:
    """An ImageNet classifier of timm.

    name: the name that loads it, with a tag if the bare name loads other weights. size: side of its
    images in pixels. classes: number of its classes. repository, file: where its weights are on the
    model hub.
    """

    name: str
    size: int
    classes: int
    repository: str
    file: str


@cache
def shapes() -> Mapping[str, Shape]:
    """Every supported model by name, the bundled ones first."""
    return MappingProxyType({name: _shape(row) for name, row in _rows().items()})


def _shape(row: Mapping[str, Any]) -> Shape:
    depth, heads = row["depth"], row["heads"]
    by_block = (heads,) * depth if isinstance(heads, int) else tuple(heads)
    return Shape(depth, by_block, tuple(row["grid"]), row["size"])


def shape_of(name: str) -> Shape:
    """The shape of one model.

    Raises:
        ModelError: no supported model has this name.
    """
    if name not in shapes():
        raise ModelError(unknown("model", name, [BUNDLED, "deit_tiny_patch16_224"]))
    return shapes()[name]


def task_of(name: str) -> str:
    """The task of a model by name; a classifier unless it is bundled for another task."""
    return SHIPPED[name].task if name in SHIPPED else "classification"


def transformers_place(name: str) -> str:
    """The folder or repository of a model of transformers; "" for any other model.

    >>> transformers_place("transformers:hustvl/yolos-tiny"), transformers_place("scenes_vit")
    ('hustvl/yolos-tiny', '')
    """
    return name.removeprefix(TRANSFORMERS) if name.startswith(TRANSFORMERS) else ""


def task_info(name: str) -> TaskInfo:
    """The table entry of a model's task, with the names of its metrics."""
    return TASKS[task_of(name)]


@cache
def classifiers() -> Mapping[str, Pretrained]:
    """timm's pretrained classifiers, by the name that loads each."""
    found = [Pretrained(**row["pretrained"]) for row in _rows().values() if row["pretrained"]]
    return MappingProxyType({one.name: one for one in found})


def descriptions() -> dict[str, str]:
    """One line on every model that loads without a weights file, the bundled ones first."""
    scenes = "64x64, 10 garments in cluttered scenes (Fashion-MNIST)"
    found = {name: f"bundled {one.kind}, {one.task}, {scenes}" for name, one in SHIPPED.items()}
    for name, one in classifiers().items():
        found[name] = f"timm, {one.size}x{one.size}, {one.classes} ImageNet classes"
    return found


@cache
def _rows() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = json.loads(FILE.read_text())
    return rows
