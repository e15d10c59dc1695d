"""What to do about weights that do not fit: what differs, and which models they look like."""

import math
import re
from collections.abc import Iterable, Mapping
from itertools import islice

from torch import Tensor

from maskaq.errors import ModelError
from maskaq.models.architectures import BUNDLED, build, timm_names

_HEAD = re.compile(r"head(_dist)?\.")
_SHOWN = 4  # keys listed in a message
Shapes = Mapping[str, tuple[int, ...]]


def difference(expected: Shapes, given: Shapes) -> str:
    """Names that are missing or unexpected, and shapes that differ."""
    unequal = [key for key in expected if key in given and expected[key] != given[key]]
    parts = {
        "Missing keys": [key for key in expected if key not in given],
        "Unexpected keys": [key for key in given if key not in expected],
        "Mismatched shapes": [
            f"{key} is {list(given[key])}, needs {list(expected[key])}" for key in unequal
        ],
    }
    return " ".join(f"{what}: {list_some(keys)}." for what, keys in parts.items() if keys)


def list_some(names: Iterable[str]) -> str:
    """The first names, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def advice(state: Mapping[str, Tensor], name: str = "") -> str:
    """Which model to pass instead of `name`."""
    near = [one for one in matching_models(state) if one != name.partition(".")[0]]
    if near:
        return f"The weights look like {' or '.join(near)}: pass --model {near[0]}."
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return "The file is not a checkpoint of a timm Vision Transformer: pass one that is."
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    return (
        f"The weights are those of a Vision Transformer with width {len(patch)}, depth {depth} and "
        f"patch size {patch.shape[-1]}: pass the name of that architecture as --model."
    )


def matching_models(state: Mapping[str, Tensor], limit: int = 3) -> list[str]:
    """Names of up to `limit` models with these keys and shapes, whatever the number of classes."""
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return []
    shapes = _body(state)
    likely = (name for name in timm_names() if _name_agrees(name, state, patch.shape[-1]))
    names = sorted([*BUNDLED, *likely], key=lambda name: (len(name), name))
    return list(islice((name for name in names if _architecture(name) == shapes), limit))


def _architecture(name: str) -> Shapes:
    try:
        return _body(build(name, 1).state_dict())
    except ModelError:
        return {}


def _body(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(value.shape) for key, value in state.items() if not _HEAD.match(key)}


def _name_agrees(name: str, state: Mapping[str, Tensor], patch: int) -> bool:
    """Whether patch and image size in the name agree with `state`, without building the model."""
    sizes = re.findall(r"_(\d{3})$", name)
    position = state.get("pos_embed")
    if f"patch{patch}_" not in name or ("dist_token" in state) != ("distilled" in name):
        return False
    if position is None or position.ndim != 3 or not sizes:
        return True
    without_prefix = range(position.shape[1], max(0, position.shape[1] - 8), -1)
    return any(
        math.isqrt(n) ** 2 == n and math.isqrt(n) * patch == int(sizes[0]) for n in without_prefix
    )
