"""Names of the authors' own checkpoints of DINOv2 and Swin, turned into timm's."""

import re
from collections.abc import Mapping

from torch import Tensor

from maskaq.models.weights.transformers_names import State, fold_position

_STAGE_END = re.compile(r"layers\.(\d+)\.downsample\.")


def to_timm(state: State) -> tuple[State, tuple[str, ...]]:
    """The same weights under the names of timm, and notes; unchanged if they already have them."""
    if any(_STAGE_END.match(key) and key.startswith("layers.0.") for key in state):
        return _swin(state), ("turned the names of the original Swin into those of timm",)
    if "mask_token" in state and any(key.endswith(".ls1.gamma") for key in state):
        notes = ("left out mask_token, which no classifier uses",)
        return _dinov2({key: v for key, v in state.items() if key != "mask_token"}), notes
    return state, ()


def _swin(state: Mapping[str, Tensor]) -> State:
    """Patches are merged at the end of a stage there, and at the start of the next one here."""

    def later(match: re.Match[str]) -> str:
        return f"layers.{int(match[1]) + 1}.downsample."

    return {_STAGE_END.sub(later, key): value for key, value in state.items()}


def _dinov2(state: State) -> State:
    if "register_tokens" not in state:
        return state
    names = {"register_tokens": "reg_token"}
    return fold_position({names.get(key, key): value for key, value in state.items()})
