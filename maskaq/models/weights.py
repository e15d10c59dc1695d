"""Weights files: read without running code from them, and matched to a model key by key.

The format is recognised by the first bytes, not by the name: safetensors, or a PyTorch file of
tensors (`torch.load` with weights_only=True).
"""

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
from maskaq.models.architectures import BUNDLED, build, fill_buffers, timm_names

State = dict[str, Tensor]
_NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")  # keys used by training scripts
_HEAD = re.compile(r"head(_dist)?\.")
_SHOWN = 4  # keys listed in a message


def read_weights(path: str | Path) -> State:
    """Read a state dict, on the CPU, in the stored dtypes.

    Raises:
        WeightsError: the file is missing, damaged, in another format, or contains Python objects.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}.") from error
    if start[8:] != b"{" and not start.startswith((b"PK", b"\x80")):
        raise WeightsError(
            f"{path} is neither a safetensors nor a PyTorch file; it starts with {start!r}."
        )
    try:
        if start[8:] == b"{":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} is damaged, or contains Python objects, which could run code and are not "
            "loaded. If you trust the file, save its state dict with safetensors.torch.save_file."
        ) from error
    except Exception as error:  # torch.load raises many types of exceptions on damaged files
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}: {first_line(error)}); pass an intact file."
        ) from error
    return _state(content, path)


def first_line(error: Exception) -> str:
    """The first line of an error message; some libraries append pages of advice."""
    return str(error).partition("\n")[0]


def _state(content: Any, path: Path) -> State:
    """The state dict in the content of a checkpoint file."""
    nested = [key for key in _NESTED if isinstance(content, Mapping) and key in content]
    if nested:
        return _state(content[nested[0]], path)
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} contains a {type(content).__name__}; expected a state dict.")
    wrong = [key for key, value in content.items() if not isinstance(value, Tensor)]
    if wrong:
        raise WeightsError(f"{path}: {wrong[0]!r} is not a tensor; expected a state dict.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def head_classes(state: Mapping[str, Tensor]) -> int | None:
    """Number of classes of the stored head; None without a head."""
    head = state.get("head.weight")
    return None if head is None or head.ndim != 2 else len(head)


def load_weights(model: nn.Module, state: Mapping[str, Tensor], path: str | Path) -> None:
    """Load `state`, converted to float32, into a model on the meta device.

    Args:
        model: has exactly the keys and shapes of `state`.
        path: file that `state` was read from, for messages.

    Raises:
        WeightsError: keys are missing or unexpected, shapes differ (the message names the model
            that fits), or a weight is not finite.
    """
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if expected != given:
        raise WeightsError(f"{path} does not fit. {_difference(expected, given)} {_advice(state)}")
    bad = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise WeightsError(f"{path} contains NaN or infinite weights in {_list_some(bad)}.")
    model.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    fill_buffers(model)


Shapes = Mapping[str, tuple[int, ...]]


def _difference(expected: Shapes, given: Shapes) -> str:
    unequal = [key for key in expected if key in given and expected[key] != given[key]]
    parts = {
        "Missing keys": [key for key in expected if key not in given],
        "Unexpected keys": [key for key in given if key not in expected],
        "Mismatched shapes": [
            f"{key} is {list(given[key])}, needs {list(expected[key])}" for key in unequal
        ],
    }
    return " ".join(f"{what}: {_list_some(keys)}." for what, keys in parts.items() if keys)


def _list_some(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _advice(state: Mapping[str, Tensor]) -> str:
    near = matching_models(state)
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
