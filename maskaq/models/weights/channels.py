"""Weights of a model for grey pictures, spread over the three channels of colour."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from maskaq.errors import WeightsError

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601), as in Pillow's mode L
_FIRST = "patch_embed.proj.weight"


def with_colour(state: dict[str, Tensor], path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The state for pictures in colour, and a note if it was for grey ones.

    A filter on the grey value, which is a weighted sum of the channels, is the same filter with
    these weights on the channels.

    Raises:
        WeightsError: the number of channels is neither 1 nor 3.
    """
    first = state.get(_FIRST)
    if first is None or first.ndim != 4 or first.shape[1] == 3:
        return state, ()
    if first.shape[1] != 1:
        raise WeightsError(
            f"{path} is for pictures of {first.shape[1]} channels; allowed: 3 (colour) or 1 (grey)."
        )
    luma = torch.tensor(LUMA).view(1, 3, 1, 1)
    spread = first.float() * luma  # [C,3,P,P]
    return {**state, _FIRST: spread}, ("one input channel: pictures are turned to grey",)


def grey_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The preprocessing with one mean and one standard deviation for all channels."""
    means = {name: sum(config[name]) / len(config[name]) for name in ("mean", "std")}
    return {**config, **{name: (value,) * 3 for name, value in means.items()}}
