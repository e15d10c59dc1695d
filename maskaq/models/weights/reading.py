"""The content of weights files, read without running code from them.

PyTorch files are read with `torch.load(weights_only=True)`, as tensors and plain values. A
checkpoint in several files (shards) is read through its index.
"""

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from maskaq.errors import WeightsError
from maskaq.models.weights import kinds

# The usual files of a folder, the first one that is found is taken.
_USUAL = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.")
_MOST_SHARDS = 10_000


class Content(NamedTuple):
    """What a file contains. path: the file itself. notes: what was decided on the way."""

    value: Any
    path: Path
    notes: tuple[str, ...] = ()


def read(path: Path) -> Content:
    """Read a weights file, the index of a checkpoint in several files, or a folder with either.

    Raises:
        WeightsError: the file is missing, damaged, in another format, or contains Python objects;
            or the folder does not tell which file to take.
    """
    if os.path.isdir(path):  # unlike `Path.is_dir`, for any text
        return _folder(path)
    kind = kinds.kind_of(path)
    if kind == kinds.INDEX:
        return Content(_sharded(path), path)
    shard = _SHARD.search(path.name)
    if shard and int(shard[2]) > 1:
        raise WeightsError(
            f"{path} is file {int(shard[1])} of the {int(shard[2])} files of a checkpoint; pass "
            f"its index, such as {path.parent / _USUAL[1]}, or the folder {path.parent}."
        )
    return Content(_one(path, kind), path)


def first_line(error: Exception) -> str:
    """The first line of an error message; some libraries append pages of advice."""
    return str(error).partition("\n")[0]


def _folder(folder: Path) -> Content:
    """The content of the one weights file of a folder, or of its usual one."""
    try:
        names = sorted(one.name for one in folder.iterdir() if one.is_file())
    except OSError as error:
        raise WeightsError(f"{folder} cannot be read: {error.strerror}.") from error
    indices = [name for name in names if name.endswith(".index.json")]
    found = [name for name in names if name.endswith(_ENDINGS) and not _SHARD.search(name)]
    usual = [name for name in _USUAL if name in names]
    chosen = (usual or (found + indices if len(found + indices) == 1 else []))[:1]
    if not chosen and found + indices:
        raise WeightsError(
            f"{folder} has several weights files: {', '.join((found + indices)[:6])}; pass one of "
            "them."
        )
    if not chosen:
        shown = f"; it contains {', '.join(names[:4])}" if names else "; it has no files"
        raise WeightsError(
            f"{folder} is a folder without weights{shown}. Expected in it: {' or '.join(_USUAL)}."
        )
    content = read(folder / chosen[0])
    others = [name for name in found + indices if name != chosen[0]]
    if not others:
        return content
    note = f"took {chosen[0]} of the files {', '.join(sorted([*others, *chosen]))}"
    return content._replace(notes=(note, *content.notes))


def _sharded(index: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint in several files, each from the file that the index names."""
    places = kinds.read_json(index)["weight_map"]
    if not isinstance(places, Mapping) or not places:
        raise kinds.refusal(index, "an index without entries in weight_map", "download it again")
    files = sorted({str(name) for name in places.values()})
    what = f"the index of a sharded checkpoint in {len(files)} file{'s' if len(files) > 1 else ''}"
    if len(files) > _MOST_SHARDS or any(Path(name).name != name for name in files):
        raise kinds.refusal(
            index, f"{what}, some of which are not next to it", "put all files in one folder"
        )
    missing = [name for name in files if not os.path.isfile(index.parent / name)]
    if missing:
        remedy = f"missing next to it: {', '.join(missing[:4])}. Put all of them in one folder"
        raise kinds.refusal(index, what, remedy)
    state: dict[str, Tensor] = {}
    for name in files:
        kind = kinds.kind_of(index.parent / name)
        if kind == kinds.INDEX:
            raise kinds.refusal(index, f"{what}, one of which is an index", "pass that one")
        content = _one(index.parent / name, kind)
        wanted = [key for key, place in places.items() if place == name]
        lacking = [key for key in wanted if not isinstance(content, Mapping) or key not in content]
        if lacking:
            remedy = f"{name} lacks {lacking[0]}. Download its files again, all of one version"
            raise kinds.refusal(index, what, remedy)
        state |= {key: content[key] for key in wanted}
    return state


def _one(path: Path, kind: str) -> Any:
    """The content of one safetensors or PyTorch file."""
    try:
        if kind == kinds.SAFETENSORS:
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        named = f" ({found[1]})" if found else ""
        raise WeightsError(
            f"{path} {'' if found else 'is damaged, or '}contains Python objects, which could run "
            f"code and are not loaded{named}. If you trust the file, load it with "
            "`torch.load(FILE, weights_only=False)` and save its state dict with "
            "`safetensors.torch.save_file`."
        ) from error
    except Exception as error:  # torch.load raises many types of exceptions on damaged files
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}: {first_line(error)}); pass an intact file."
        ) from error
