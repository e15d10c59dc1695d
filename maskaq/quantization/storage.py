"""Store Q: one safetensors file with its state dict and the metadata needed to rebuild it."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from maskaq.config import QuantOptions
from maskaq.config.parsing import from_dict
from maskaq.errors import RunError, WeightsError
from maskaq.files import atomic_write, reading
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.conversion.convert import convert

_FORMAT = "maskaq-q-1"


def save_q(q: nn.Module, path: Path, *, options: QuantOptions, backend: str, model: str) -> None:
    """Write Q's state dict, its options and the model it came from, atomically."""
    metadata = {"options": asdict(options), "backend": backend, "model": model}
    header = {"format": _FORMAT, "maskaq": json.dumps(metadata)}
    with atomic_write(path) as draft:
        save_file({k: v.contiguous() for k, v in q.state_dict().items()}, draft, header)


def load_q(path: Path, p: nn.Module) -> nn.Module:
    """Rebuild Q from its file and the P it was made from; its logits are the same bit for bit.

    Raises:
        RunError: the file is damaged or was not written by `save_q`.
        WeightsError: it does not fit P.
    """
    metadata = read_metadata(path)
    options = from_dict(metadata["options"], QuantOptions, f"options in {path}")
    q = convert(p, options, BACKENDS[metadata["backend"]].scheme)
    try:
        q.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise WeightsError(
            f"{path} was made from model {metadata['model']!r} and does not fit this one: {error}"
        ) from error
    return q.requires_grad_(False)


def read_metadata(path: Path) -> Mapping[str, Any]:
    """The metadata of the file: `options`, `backend`, `model`.

    Raises:
        RunError: the file is damaged or was not written by `save_q`.
    """
    remedy = "run the same command again"
    with reading(path, remedy, SafetensorError), safe_open(path, "pt") as stream:
        header = stream.metadata() or {}
    if header.get("format") != _FORMAT:
        raise RunError(
            f"{path} has format {header.get('format')!r}; expected {_FORMAT!r}, as written by "
            "`python -m maskaq run --out DIR`."
        )
    metadata: Mapping[str, Any] = json.loads(header["maskaq"])
    return metadata
