"""The folder of a model, as `save_pretrained` of transformers writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from maskaq.errors import ModelError, WeightsError, some
from maskaq.models.weights import reading
from maskaq.models.weights.values import check_types, type_note

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_LARGEST = 8 << 20  # bytes of a JSON file; id2label of 20,000 classes has about 1 MB


def read_config(folder: Path) -> Mapping[str, Any]:
    """The config.json of a folder.

    Raises:
        ModelError: there is none, or it is damaged.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise ModelError(
            f"{folder} has no {CONFIG}; pass a folder as `save_pretrained` of transformers writes "
            f"it, with {CONFIG} and model.safetensors."
        )
    return _table(path)


def read_preprocessor(folder: Path) -> Mapping[str, Any] | None:
    """The preprocessor_config.json of a folder; None without one.

    Raises:
        ModelError: it is damaged.
    """
    path = folder / PREPROCESSOR
    return _table(path) if path.is_file() else None


def read_state(folder: Path) -> tuple[dict[str, Tensor], Path, tuple[str, ...]]:
    """The weights of a folder by their names in the file, the file, and notes.

    safetensors come before PyTorch files, which are read as tensors and plain values only.

    Raises:
        WeightsError: there are none, or they are damaged, contain Python objects, are not floats
            or not finite.
    """
    content = reading.read(folder)
    state, path = content.value, content.path
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsError(f"{path} is not a state dict, which has a tensor for each name.")
    check_types(state, path)
    bad = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise WeightsError(f"{path} contains NaN or infinite weights in {some(bad)}.")
    return dict(state), path, (*content.notes, *type_note(state))


def _table(path: Path) -> Mapping[str, Any]:
    try:
        size = path.stat().st_size
        content = json.loads(path.read_bytes()) if size <= _LARGEST else None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} cannot be read ({error}); download it again.") from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path} is not a JSON object of at most 8 MB; download it again.")
    return content
