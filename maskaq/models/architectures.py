"""The supported architectures by name, built on torch's meta device: shapes without memory."""

import difflib
from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.data import infer_imagenet_subset
from timm.models import get_arch_pretrained_cfgs
from torch import nn

from maskaq.errors import ModelError
from maskaq.models import bundled, menu
from maskaq.models.backbone import SUPPORTED, tokens_of
from maskaq.models.menu import SAFETENSORS, Pretrained

# Modules of timm whose supported models are listed.
MODULES = (
    "vision_transformer",
    "deit",
    "beit",
    "eva",
    "swin_transformer",
    "swin_transformer_v2",
    "vision_transformer_relpos",
)


BUNDLED = bundled.MODELS


def timm_names() -> list[str]:
    """Supported architectures of timm's usual families, without the tags of pretrained weights.

    Others may be supported too: `build` knows.
    """
    return [name for name in menu.shapes() if name not in BUNDLED]


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
    tagged = get_arch_pretrained_cfgs(bare)
    if timm.is_model(bare) and (name == bare or name in tagged):
        return
    candidates = [*tagged] if timm.is_model(bare) else [*BUNDLED, *timm_names()]
    near = difflib.get_close_matches(name, candidates, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"supported: {SUPPORTED}."
    raise ModelError(f"unknown model {name!r}; {hint} `python -m maskaq models` lists all names.")


def skeleton(name: str, classes: int | None = None, **options: Any) -> nn.Module:
    """As `build`, without checking that the attention is supported: for the shapes of weights."""
    with torch.device("meta"):
        if name in BUNDLED:
            return BUNDLED[name].architecture()
        model: nn.Module = timm.create_model(name, num_classes=classes, **options)
    return model


def build(name: str, classes: int | None = None, **options: Any) -> nn.Module:
    """Build the architecture of a name on the meta device.

    Args:
        name: a name that `check_name` accepts.
        classes: outputs of the head; None takes the architecture's default.
        options: of `timm.create_model`, such as `img_size`; a bundled model takes none.

    Raises:
        ModelError: its attention is not supported.
    """
    model = skeleton(name, classes, **options)
    if name in BUNDLED:
        return model
    try:
        tokens_of(model)
    except Exception as error:  # running a model of any kind may raise anything
        raise ModelError(
            f"{name} is not supported; supported: {', '.join(BUNDLED)}; {SUPPORTED}."
        ) from error
    return model
