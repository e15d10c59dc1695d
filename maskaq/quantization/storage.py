"""Store Q: one safetensors file with its state dict and the metadata needed to rebuild it.

`save_q` keeps weights in float32, as they were fitted. `save_packed` keeps the codes that they are
rounded to, at their bit widths (`packing`), which is all that Q uses of them:

    NAME.codes   uint8 [bytes]: the codes of the weight NAME, packed
    others       as in the state dict: step sizes, biases, LayerNorm, embeddings

Its metadata lists `weights`: for each NAME its shape and bits. A code c, counted from 0, is the
level s (c - 2^(bits-1)) with the row's step size s, `WEIGHT_quantizer.scale`.
"""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.config.parsing import from_dict
from maskaq.errors import RunError, WeightsError
from maskaq.files import atomic_write, reading
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.packing import pack_codes, packed_length, unpack_codes
from maskaq.quantization.quantizers.base import column

_FORMAT, _PACKED = "maskaq-q-1", "maskaq-packed-1"
_CODES = ".codes"


def save_q(q: nn.Module, path: Path, *, options: QuantOptions, backend: str, model: str) -> None:
    """Write Q's state dict, its options and the model it came from, atomically."""
    layers = {name: layer.weight_quantizer.form.bits for name, layer in _quantized_layers(q)}
    metadata = {"options": asdict(options), "backend": backend, "model": model, "bits": layers}
    header = {"format": _FORMAT, "maskaq": json.dumps(metadata)}
    with atomic_write(path) as draft:
        save_file({k: v.contiguous() for k, v in q.state_dict().items()}, draft, header)


def save_packed(
    q: nn.Module, path: Path, *, options: QuantOptions, backend: str, model: str
) -> None:
    """Write Q with its weights as packed codes, atomically."""
    state, weights = q.state_dict(), {}
    for name, layer in _quantized_layers(q):
        form = layer.weight_quantizer.form
        state[name + _CODES] = torch.from_numpy(
            pack_codes((weight_codes(layer) - form.qmin).byte().cpu().numpy(), form.bits)
        )  # [bytes]
        weights[name] = {"shape": list(state.pop(name).shape), "bits": form.bits}
    metadata = {"options": asdict(options), "backend": backend, "model": model, "weights": weights}
    header = {"format": _PACKED, "maskaq": json.dumps(metadata)}
    with atomic_write(path) as draft:
        save_file({k: v.contiguous() for k, v in state.items()}, draft, header)


def weight_codes(layer: nn.Module) -> Tensor:
    """The signed codes of the weight of a quantized layer, as floats: [C_out,...]."""
    quantizer: Any = layer.weight_quantizer
    weight: Tensor = layer.weight  # type: ignore[assignment]
    steps = weight.detach() / column(quantizer.scale, weight)
    return steps.round().clamp(quantizer.form.qmin, quantizer.form.qmax)


def _quantized_layers(q: nn.Module) -> Iterator[tuple[str, Any]]:
    """The names of the quantized weights, and their layers."""
    for name, module in q.named_modules():
        if isinstance(module, QuantLinear | QuantConv2d):
            yield f"{name}.weight", module


def load_q(path: Path, p: nn.Module) -> nn.Module:
    """Rebuild Q from its file and the P it was made from; its logits are the same bit for bit.

    Args:
        path: written by `save_q` or `save_packed`.

    Raises:
        RunError: the file is damaged, newer than this maskaq, or no file of a Q.
        WeightsError: it does not fit P.
    """
    metadata = read_metadata(path)
    options = from_dict(metadata["options"], QuantOptions, f"options in {path}")
    weights = metadata.get("weights", {})
    bits = metadata.get("bits", {}) | {name: one["bits"] for name, one in weights.items()}
    layers = {name.removesuffix(".weight"): count for name, count in bits.items()}
    q = convert(p, options, BACKENDS[metadata["backend"]].scheme, layers)
    try:
        state = load_file(path)
        _unpack(state, weights, path)
        q.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} was made from model {metadata['model']!r} and does not fit this one: {error}"
        ) from error
    return q.requires_grad_(False)


def _unpack(state: dict[str, Tensor], weights: Mapping[str, Any], path: Path) -> None:
    """Replace packed codes by the levels that they stand for, in place."""
    for name, about in weights.items():
        shape, bits = about["shape"], about["bits"]
        codes, scale = state.pop(name + _CODES, None), state.get(f"{name}_quantizer.scale")
        count = math.prod(shape)
        if codes is None or scale is None or len(codes) != packed_length(bits, count):
            raise RunError(f"{path} has damaged codes of {name}; export the run again.")
        levels = torch.from_numpy(unpack_codes(codes.numpy(), bits, count)).float().view(shape)
        state[name] = (levels - 2 ** (bits - 1)) * column(scale, levels)  # [C_out,...]


def read_metadata(path: Path) -> Mapping[str, Any]:
    """The metadata of the file: `options`, `backend`, `model`, and `bits` or `weights` by name.

    Raises:
        RunError: the file is damaged, newer than this maskaq, or no file of a Q.
    """
    remedy = "run the same command again"
    with reading(path, remedy, SafetensorError), safe_open(path, "pt") as stream:
        header = stream.metadata() or {}
    if header.get("format") not in (_FORMAT, _PACKED):
        raise RunError(
            f"{path} has format {header.get('format')!r}; expected {_FORMAT!r}, as written by "
            f"`python -m maskaq run --out DIR`, or {_PACKED!r}, as written by `python -m maskaq "
            "export`. A higher number needs a newer maskaq."
        )
    metadata: Mapping[str, Any] = json.loads(header["maskaq"])
    return metadata
