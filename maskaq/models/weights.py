"""Weights files: read without ever running code from them, and fitted to the last key.

A file is taken for what its first bytes say, whatever its name: safetensors, or a PyTorch file of
tensors (`torch.load` with weights_only=True).
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from maskaq.errors import ModelError, WeightsError
from maskaq.models.architectures import BUNDLED, build, timm_names

__all__ = ["first_line", "head_classes", "load_weights", "matching_models", "read_weights"]

State = dict[str, Tensor]
_NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")  # where training scripts put them
_HEAD = re.compile(r"head(_dist)?\.")
_SHOWN = 4  # keys named in a message


def read_weights(path: str | Path) -> State:
    """Read name -> tensor, on the CPU, as stored.

    Raises:
        WeightsError: the file is missing, damaged, of another kind, or holds more than tensors.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if start[8:] != b"{" and not start.startswith((b"PK", b"\x80")):
        raise WeightsError(
            f"{path} is neither safetensors nor a PyTorch file; it starts with {start!r}."
        )
    try:
        if start[8:] == b"{":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged, or holds Python objects besides tensors, which could run code and "
            "are not loaded. Where you trust it, save its state dict with "
            "safetensors.torch.save_file."
        ) from error
    except Exception as error:  # torch's reader answers damage with whatever it stumbles over
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}: {first_line(error)}); pass an intact file."
        ) from error
    return _state(content, path)


def first_line(error: Exception) -> str:
    """What an error says, without the pages that some libraries add."""
    return str(error).partition("\n")[0]


def _state(content: Any, path: Path) -> State:
    """The state dict in what a training script saved."""
    nested = [key for key in _NESTED if isinstance(content, Mapping) and key in content]
    if nested:
        return _state(content[nested[0]], path)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds a {type(content).__name__}; expected a state dict.")
    wrong = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if wrong:
        raise WeightsError(f"{path}: {wrong[0]!r} is not a tensor; expected a state dict.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def head_classes(state: Mapping[str, Tensor]) -> int | None:
    """Number of classes of the stored head, None where there is no head."""
    head = state.get("head.weight")
    return None if head is None or head.ndim != 2 else len(head)


def load_weights(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Make `state`, in float32, the weights of an architecture on the meta device.

    Args:
        model: takes exactly the keys and shapes of `state`.
        path: where `state` comes from, for messages.

    Raises:
        WeightsError: keys are missing or left over, shapes differ (with the model that the weights
            look like), or a weight is not a finite number.
    """
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    if wanted != found:
        raise WeightsError(f"{path} does not fit. {_difference(wanted, found)} {_advice(state)}")
    bad = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise WeightsError(f"{path} holds NaN or infinite weights in {_some(bad)}.")
    model.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)


Shapes = Mapping[str, tuple[int, ...]]


def _difference(wanted: Shapes, found: Shapes) -> str:
    shared = [key for key in wanted if key in found and wanted[key] != found[key]]
    shapes = [f"{key} is {list(found[key])}, needs {list(wanted[key])}" for key in shared]
    parts = {
        "Missing keys": [key for key in wanted if key not in found],
        "Left-over keys": [key for key in found if key not in wanted],
        "Other shapes": shapes,
    }
    return " ".join(f"{what}: {_some(keys)}." for what, keys in parts.items() if keys)


def _some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _advice(state: Mapping[str, Tensor]) -> str:
    near = matching_models(state)
    if near:
        return f"The weights look like {' or '.join(near)}: pass --model {near[0]}."
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return "They are not those of a timm Vision Transformer: pass its own timm checkpoint."
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    return (
        f"They are those of a Vision Transformer {len(patch)} wide, {depth} blocks deep, with "
        f"patches of {patch.shape[-1]}: pass the name of that architecture as --model."
    )


def matching_models(state: Mapping[str, Tensor], limit: int = 3) -> list[str]:
    """Names of the models whose keys and shapes are these, but for the number of classes."""
    patch = state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return []
    shapes = _body(state)
    likely = (name for name in timm_names() if _may_be(name, state, patch.shape[-1]))
    names = sorted([*BUNDLED, *likely], key=lambda name: (len(name), name))
    return list(islice((name for name in names if _architecture(name) == shapes), limit))


def _architecture(name: str) -> Shapes:
    try:
        return _body(build(name, 1).state_dict())
    except ModelError:
        return {}


def _body(state: Mapping[str, Tensor]) -> Shapes:
    return {key: tuple(value.shape) for key, value in state.items() if not _HEAD.match(key)}


def _may_be(name: str, state: Mapping[str, Tensor], patch: int) -> bool:
    """Whether patch and picture size in the name agree; sparing us to build the architecture."""
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
