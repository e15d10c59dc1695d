"""What to do about weights that do not fit: what differs, and which models they look like."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from torch import Tensor

from maskaq.errors import some
from maskaq.models.architectures import BUNDLED, skeleton, timm_names

_HEAD = re.compile(r"head(_dist)?\.")
SHOWN = 4  # keys listed in a message
_BLOCK = re.compile(r"blocks\.\d+\.norm1\.weight")
_STAGE_BLOCK = re.compile(r"layers\.(\d+)\.blocks\.\d+\.norm1\.weight")
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
    return " ".join(f"{what}: {some(keys, SHOWN)}." for what, keys in parts.items() if keys)


def advice(state: Mapping[str, Tensor], name: str = "") -> str:
    """Which model to pass instead of `name`, or what else to do."""
    form = _form(state)
    same = bool(name) and _form(skeleton(name).state_dict()) == form
    bare = name.partition(".")[0]
    near = [one for one in matching_models(state, any_size=not same) if one != bare]
    if near:
        return f"The weights look like {' or '.join(near)}: pass --model {near[0]}."
    if not form:
        return "The file is not a checkpoint of a timm Vision Transformer: pass one that is."
    if same:
        return (
            f"Width, depth and patch size are those of {name}: pass the weights of that "
            "architecture without changes, or the name of a variant of it."
        )
    return f"The weights are those of a {form}: pass the name of that architecture as --model."


def _form(state: Mapping[str, Tensor]) -> str:
    """Family, width, depth and patch size, in words."""
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return ""
    size = f"width {len(patch)}, {{}} and patch size {patch.shape[-1]}"
    stages = Counter(found[1] for found in map(_STAGE_BLOCK.match, state) if found)
    if stages:
        depths = ", ".join(str(stages[stage]) for stage in sorted(stages))
        return f"Swin Transformer with {size.format(f'stages of {depths} blocks')}"
    depth = sum(map(bool, map(_BLOCK.match, state)))
    return f"Vision Transformer with {size.format(f'depth {depth}')}"


def matching_models(
    state: Mapping[str, Tensor], limit: int = 3, any_size: bool = True
) -> list[str]:
    """Names of up to `limit` models with these keys and shapes, whatever the number of classes.

    any_size: where none is for images of this size, those for 224 pixels.
    """
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return []
    likely = [one for one in timm_names() if _name_agrees(one, state, patch.shape[-1])]
    names = sorted([*BUNDLED, *likely], key=lambda name: (len(name), name))
    sized = (one for one in names if _size_agrees(one, state, patch.shape[-1]))
    exact = list(islice(_fitting(sized, _body(state)), limit))
    if exact or not any_size or "pos_embed" not in state:
        return exact
    usual = (one for one in names if "_224" in one)
    return list(islice(_fitting(usual, _body(state, "pos_embed"), "pos_embed"), limit))


def _fitting(names: Iterable[str], shapes: Shapes, without: str = "") -> Iterator[str]:
    """Names of the models that have these shapes."""
    for name in names:  # all of them are supported
        if _body(skeleton(name, 1).state_dict(), without) == shapes:
            yield name


def _body(state: Mapping[str, Tensor], without: str = "") -> Shapes:
    return {
        key: tuple(value.shape)
        for key, value in state.items()
        if not _HEAD.match(key) and key != without
    }


def _name_agrees(name: str, state: Mapping[str, Tensor], patch: int) -> bool:
    """Whether the patch size and the tokens in a name agree, without building the model."""
    return f"patch{patch}_" in name and ("dist_token" in state) == ("distilled" in name)


def _size_agrees(name: str, state: Mapping[str, Tensor], patch: int) -> bool:
    """Whether the image size in a name agrees, without building the model."""
    sizes = re.findall(r"_(\d{3})$", name)
    position = state.get("pos_embed")
    if position is None or position.ndim != 3 or not sizes:
        return True
    without_prefix = range(position.shape[1], max(0, position.shape[1] - 8), -1)
    return any(
        math.isqrt(n) ** 2 == n and math.isqrt(n) * patch == int(sizes[0]) for n in without_prefix
    )
