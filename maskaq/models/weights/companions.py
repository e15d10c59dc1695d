"""What the files beside weights say that the weights themselves do not.

`config.json` of transformers has the image size, the number of heads and the activation, its
`preprocessor_config.json` the mean and the standard deviation of the channels. timm's `config.json`
has these two as well.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from maskaq.errors import WeightsError
from maskaq.models.weights.kinds import read_json

_GELU = ("gelu", None)  # the activation of timm's models, and of transformers' by default


@dataclass(frozen=True)
class Companions:
    """size: side of the images in pixels. heads: of the attention in the first block. epsilon:
    what the LayerNorms add to the variance. mean, std: of the three channels. None where nothing is
    said."""

    size: int | None = None
    heads: int | None = None
    epsilon: float | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def check(self, model: nn.Module, name: str, path: Path) -> None:
        """Refuse a model whose attention has another number of heads.

        Raises:
            WeightsError: names both numbers; the shapes of the weights are the same for both.
        """
        found = (getattr(one, "num_heads", None) for one in model.modules())
        given = next((int(one) for one in found if isinstance(one, int)), None)
        if self.heads is not None and given is not None and given != self.heads:
            raise WeightsError(
                f"{path}: its config.json has {self.heads} attention heads in the first block, "
                f"{name} has {given}; pass another --model."
            )

    def changed(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Mean and standard deviation where they differ from those of a data config of timm."""
        own = {"mean": self.mean, "std": self.std}
        return {
            key: value
            for key, value in own.items()
            if value is not None and not np.allclose(value, config[key], rtol=0, atol=1e-3)
        }


def beside(weights: Path, transformers: bool) -> Companions:
    """What the files in the folder of a weights file say; nothing where they are absent.

    transformers: whether the weights come from it. Other weights only have the `config.json` that
    timm writes.

    Raises:
        WeightsError: the activation is not the GELU, or a file is damaged.
    """
    config = _table(weights.with_name("config.json"), strict=transformers)
    if not transformers:
        pictures = config.get("pretrained_cfg")
        pictures = pictures if isinstance(pictures, Mapping) else {}
        return Companions(mean=_channels(pictures.get("mean")), std=_channels(pictures.get("std")))
    if config.get("hidden_act") not in _GELU:
        raise WeightsError(
            f"{weights}: its config.json has the activation {config['hidden_act']!r}; timm's "
            "models have gelu. Pass the weights of a model with it."
        )
    pictures = _table(weights.with_name("preprocessor_config.json"), strict=True)
    heads = config.get("num_attention_heads", config.get("num_heads"))
    return Companions(
        size=_whole(config.get("image_size")),
        heads=_whole(heads[0] if isinstance(heads, list) and heads else heads),
        epsilon=_small(config.get("layer_norm_eps")),
        mean=_channels(pictures.get("image_mean")),
        std=_channels(pictures.get("image_std")),
    )


def _table(path: Path, strict: bool) -> Mapping[str, Any]:
    """The table in a JSON file; empty without one. strict: whether a damaged file is an error."""
    try:
        content = read_json(path) if path.is_file() else {}
    except WeightsError:
        if strict:
            raise
        content = {}  # some other program's file
    return content if isinstance(content, Mapping) else {}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and 0 < value < 100_000 else None


def _small(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1 else None


def _channels(value: object) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != 3:
        return None
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in value):
        return None
    return tuple(float(one) for one in value)
