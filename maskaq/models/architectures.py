"""Which models there are, by name, and their bare architectures.

An architecture is built on torch's meta device: shapes without memory, at once, whatever its size.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import infer_imagenet_subset
from timm.models import get_arch_pretrained_cfgs, is_model_in_modules
from timm.models.vision_transformer import Attention, VisionTransformer
from torch import nn

from maskaq.data.scenes import CLASS_NAMES
from maskaq.errors import ModelError
from maskaq.models import bundled
from maskaq.models.attention import SUPPORTED

__all__ = ["BUNDLED", "Bundled", "build", "check_name", "model_names", "timm_names"]

_MODULES = ("vision_transformer", "deit")  # of timm
# Members of these modules whose blocks hold another attention, or none of their own.
_OTHER_BLOCKS = re.compile(r"_18x2_|_xp_|wee_|_dlittle_")


@dataclass(frozen=True)
class Bundled:
    """A model whose weights ship with the library. data_config: what timm calls by that name."""

    description: str
    architecture: Callable[[], VisionTransformer]
    checkpoint: Path
    data_config: Mapping[str, Any]
    class_names: tuple[str, ...]


BUNDLED: dict[str, Bundled] = {
    "scenes_vit": Bundled(
        description="bundled ViT, 64x64, 10 garments in cluttered scenes (Fashion-MNIST)",
        architecture=bundled.scenes_vit,
        checkpoint=bundled.CHECKPOINT,
        data_config=bundled.DATA_CONFIG,
        class_names=CLASS_NAMES,
    )
}


def timm_names() -> list[str]:
    """Supported architectures of the installed timm, without the tags of pretrained weights."""
    names = timm.list_models(module=_MODULES)
    return [name for name in names if not _OTHER_BLOCKS.search(name)]


@cache
def model_names() -> dict[str, str]:
    """Every model that loads by its name alone, with one line on each: bundled ones first.

    Of timm's they are those with a pretrained classifier; others need a weights file.
    """
    named = {name: model.description for name, model in BUNDLED.items()}
    for name in timm_names():
        tagged = get_arch_pretrained_cfgs(name)
        usable = {
            tag: config
            for tag, config in tagged.items()
            if config.has_weights and infer_imagenet_subset(config.to_dict())
        }
        if usable:
            default = next(iter(tagged))  # what the bare name loads
            tag = default if default in usable else next(iter(usable))
            side, classes = usable[tag].input_size[1], usable[tag].num_classes
            label = name if tag == default else tag
            named[label] = f"timm, {side}x{side}, {classes} ImageNet classes"
    return named


def check_name(name: str) -> None:
    """Refuse what is neither bundled nor a supported architecture of timm, with a tag or without.

    Raises:
        ModelError: with the nearest names, or with what is supported.
    """
    if name in BUNDLED:
        return
    bare = name.split(".")[0]
    if timm.is_model(bare) and not is_model_in_modules(bare, _MODULES):
        raise ModelError(f"{name} is not supported; supported: {', '.join(BUNDLED)}; {SUPPORTED}.")
    tagged = get_arch_pretrained_cfgs(bare)
    if timm.is_model(bare) and (name == bare or name in tagged):
        return
    known = [*tagged] if timm.is_model(bare) else [*BUNDLED, *timm_names()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"supported: {SUPPORTED}."
    raise ModelError(f"unknown model {name!r}; {hint} `python -m maskaq models` lists all names.")


def build(name: str, classes: int | None = None) -> VisionTransformer:
    """The architecture of a known name, on the meta device.

    Args:
        name: as `check_name` accepts it.
        classes: outputs of the head; None takes the architecture's own number.

    Raises:
        ModelError: its attention is not supported.
    """
    with torch.device("meta"):
        if name in BUNDLED:
            return BUNDLED[name].architecture()
        model = timm.create_model(name, num_classes=classes)
    if not isinstance(model, VisionTransformer) or not all(map(_plain, model.blocks)):
        raise ModelError(f"the attention of {name} is not supported; supported: {SUPPORTED}.")
    return model


def _plain(block: nn.Module) -> bool:
    attention = getattr(block, "attn", None)
    return type(attention) is Attention and getattr(attention, "gate", None) is None
