"""The supported architectures by name, built on torch's meta device: shapes without memory."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data import infer_imagenet_subset
from timm.models import get_arch_pretrained_cfgs, is_model_in_modules
from timm.models.vision_transformer import Attention, VisionTransformer
from torch import nn

from maskaq.data.fashion_mnist import CLASS_NAMES
from maskaq.errors import ModelError
from maskaq.models import bundled
from maskaq.models.attention import SUPPORTED
from maskaq.models.menu import SAFETENSORS, Pretrained

_MODULES = ("vision_transformer", "deit")  # of timm
# Models of these modules whose blocks have a different attention, or none.
_OTHER_BLOCKS = re.compile(r"_18x2_|_xp_|wee_|_dlittle_")


@dataclass(frozen=True)
class Bundled:
    """A model whose weights ship with the library. data_config: its preprocessing, as in timm."""

    architecture: Callable[[], VisionTransformer]
    checkpoint: Path
    data_config: Mapping[str, Any]
    class_names: tuple[str, ...]


BUNDLED: dict[str, Bundled] = {
    "scenes_vit": Bundled(
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


def pretrained(name: str) -> Pretrained | None:
    """The pretrained classifier of a timm architecture; None if timm has none."""
    tagged = get_arch_pretrained_cfgs(name)
    usable = {
        tag: config
        for tag, config in tagged.items()
        if config.has_weights and infer_imagenet_subset(config.to_dict())
    }
    if not usable:
        return None
    default = next(iter(tagged))  # loaded by the bare name
    tag = default if default in usable else next(iter(usable))
    config = usable[tag]
    return Pretrained(
        name if tag == default else tag,
        config.input_size[1],
        config.num_classes,
        *hub_file(config.to_dict()),
    )


def hub_file(config: Mapping[str, Any]) -> tuple[str, str]:
    """Repository and file of a model's pretrained weights on the hub; the former "" without any."""
    return config.get("hf_hub_id") or "", config.get("hf_hub_filename") or SAFETENSORS


def check_name(name: str) -> None:
    """Refuse a name that is neither bundled nor a supported timm model, with or without a tag.

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
    candidates = [*tagged] if timm.is_model(bare) else [*BUNDLED, *timm_names()]
    near = difflib.get_close_matches(name, candidates, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"supported: {SUPPORTED}."
    raise ModelError(f"unknown model {name!r}; {hint} `python -m maskaq models` lists all names.")


def build(name: str, classes: int | None = None, **options: Any) -> VisionTransformer:
    """Build the architecture of a name on the meta device.

    Args:
        name: a name that `check_name` accepts.
        classes: outputs of the head; None takes the architecture's default.
        options: of `timm.create_model`, such as `img_size`; a bundled model takes none.

    Raises:
        ModelError: its attention is not supported.
    """
    with torch.device("meta"):
        if name in BUNDLED:
            return BUNDLED[name].architecture()
        model = timm.create_model(name, num_classes=classes, **options)
    if not isinstance(model, VisionTransformer) or not all(map(_is_supported, model.blocks)):
        raise ModelError(f"the attention of {name} is not supported; supported: {SUPPORTED}.")
    return model


def _is_supported(block: nn.Module) -> bool:
    attention = getattr(block, "attn", None)
    return type(attention) is Attention and getattr(attention, "gate", None) is None
