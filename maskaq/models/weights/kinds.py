"""What a file is, by its first bytes and not by its name; all but weights files are refused.

Nothing is decoded here, apart from the lists of names in zip archives and small JSON files.
"""

import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from maskaq.errors import WeightsError

SAFETENSORS, TORCH, INDEX = "safetensors", "torch", "index"  # what `kind_of` answers
_SHOWN = 40  # first bytes of an unknown file in a message
_LARGEST_JSON = 32 << 20  # bytes; an index of 100,000 tensors has about 10 MB
# A PyTorch file before version 1.6: a pickle of this number, then of the content.
_LEGACY = (0x1950A86A20F9469CFC6C).to_bytes(10, "little")


class _Signature(NamedTuple):
    """A format that is recognised by bytes at a fixed place. what: as in "the file is WHAT"."""

    start: bytes
    what: str
    remedy: str
    at: int = 0


_EXPECTED = "pass a safetensors file or a PyTorch file of tensors"
_UNPACK = "unpack it, and pass the weights file in it"
_EXPORT = "pass the PyTorch or safetensors weights that it was made from"
_FROM_NUMPY = (
    "load it with timm and save it as safetensors: "
    '`python -c "import timm, safetensors.torch as s; '
    "s.save_model(timm.create_model('NAME', checkpoint_path='{path}'), 'weights.safetensors')\"`"
)
_SIGNATURES = (
    _Signature(
        b"version https://git-lfs",
        "a Git LFS pointer, which stands for the weights and does not contain them",
        "run `git lfs pull` in its repository, or download the file itself",
    ),
    _Signature(b"\x93NUMPY", "one NumPy array (npy)", _EXPECTED),
    _Signature(
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file, as Keras writes it",
        "pass PyTorch or safetensors weights of the same model",
    ),
    _Signature(b"GGUF", "a GGUF file of quantized weights", _EXPORT),
    _Signature(b"TFL3", "a TensorFlow Lite model", _EXPORT, at=4),
    _Signature(b"\x1f\x8b", "compressed with gzip", _UNPACK),
    _Signature(b"BZh", "compressed with bzip2", _UNPACK),
    _Signature(b"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    _Signature(b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _UNPACK),
    _Signature(b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _UNPACK),
    _Signature(b"Rar!", "a RAR archive", _UNPACK),
    _Signature(b"ustar", "a tar archive", _UNPACK, at=257),
    _Signature(b"\x89PNG", "a PNG image", "pass images as --data FOLDER"),
    _Signature(b"\xff\xd8\xff", "a JPEG image", "pass images as --data FOLDER"),
    _Signature(b"%PDF", "a PDF document", _EXPECTED),
)


def kind_of(path: Path) -> str:
    """`SAFETENSORS`, `TORCH` or `INDEX`, the JSON index of a checkpoint in several files.

    Raises:
        WeightsError: the file cannot be read or is something else; the message says what, and what
            to do instead.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as stream:
            start = stream.read(512)
    except (OSError, ValueError) as error:  # the latter for a name with a zero byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise WeightsError(f"{path} cannot be read: {reason}.") from error
    if not start:
        raise refusal(path, "empty", "download or copy it again")
    if start[8:9] == b"{" and (start[:1] != b"{" or b"\0" in start[:8]):
        return SAFETENSORS
    for one in _SIGNATURES:
        if start.startswith(one.start, one.at):
            raise refusal(path, one.what, one.remedy.format(path=path))
    for recognised, answer in _BY_START:
        if recognised(start):
            return answer(path, size)
    raise _unknown(path, start)


def refusal(path: Path, what: str, remedy: str) -> WeightsError:
    """The error for a file that is something else than weights."""
    return WeightsError(f"{path} is {what}; {remedy}.")


def _zip(path: Path, size: int) -> str:
    """A zip archive: a PyTorch file, or one of the formats that share its container."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception as error:  # zipfile raises many types of exceptions on damaged files
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}: {error}); pass an intact file."
        ) from error
    names = [entry.filename for entry in entries]
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        raise refusal(
            path,
            "a TorchScript archive, which contains a program",
            'if you trust it, save its weights: `python -c "import torch, safetensors.torch as s; '
            f"s.save_file(torch.jit.load('{path}').state_dict(), 'weights.safetensors')\"`",
        )
    if "data.pkl" not in inner:
        raise _other_archive(path, names)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > size:  # PyTorch stores its entries uncompressed
        raise refusal(
            path,
            f"compressed: its {size:,} bytes unpack to {unpacked:,}, which PyTorch never writes",
            "save the weights again with safetensors.torch.save_file",
        )
    return TORCH


def _other_archive(path: Path, names: list[str]) -> WeightsError:
    if names and all(name.endswith(".npy") for name in names):
        origin = "JAX" if any("kernel" in name for name in names) else "JAX or NumPy"
        what = f"a NumPy archive (npz) of {origin} weights"
        return refusal(path, what, _FROM_NUMPY.format(path=path))
    if any(name.endswith("weights.h5") for name in names):
        return refusal(
            path, "a Keras model", "pass PyTorch or safetensors weights of the same model"
        )
    if any(name.endswith(("archive_format", "models/model.json")) for name in names):
        return refusal(path, "a program exported by torch.export", _EXPORT)
    inside = [name for name in names if name.endswith((".safetensors", ".pt", ".pth", ".bin"))]
    remedy = f"unpack it, and pass {inside[0]}" if inside else _EXPECTED
    return refusal(path, f"a zip archive of other files ({_first(names)})", remedy)


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "none"


def _json(path: Path, size: int) -> str:
    content = read_json(path)
    if isinstance(content, dict) and "weight_map" in content:
        return INDEX
    if isinstance(content, dict) and {"architectures", "architecture", "model_type"} & {*content}:
        remedy = f"pass the folder {path.parent}, or the weights file in it"
        raise refusal(path, "the configuration of a model (JSON) without its weights", remedy)
    remedy = "pass the weights file, or the index of a checkpoint in several files (weight_map)"
    raise refusal(path, "a JSON file without weights", remedy)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        WeightsError: it is too large or damaged.
    """
    if path.stat().st_size > _LARGEST_JSON:
        raise refusal(path, "too large for an index (JSON)", _EXPECTED)
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise refusal(path, "text, or JSON that is damaged", _EXPECTED) from error


def _html(path: Path, size: int) -> str:
    raise refusal(
        path,
        "an HTML page, not the file that it links to",
        "download the file itself; on a model hub its address has `resolve` instead of `blob`",
    )


def _pickle(path: Path, size: int) -> str:
    with path.open("rb") as stream:
        if _LEGACY in stream.read(32):
            return TORCH
    raise refusal(
        path,
        "a Python pickle, which could run code and is not loaded",
        "if you trust it, save its state dict with safetensors.torch.save_file",
    )


_BY_START: tuple[tuple[Callable[[bytes], bool], Callable[[Path, int], str]], ...] = (
    (lambda start: start.startswith(b"PK"), _zip),
    (lambda start: start.startswith(b"\x80"), _pickle),
    (lambda start: start.lstrip()[:1] in (b"{", b"["), _json),
    (
        lambda start: re.match(rb"\s*<(!doctype|html|\?xml|head|!--)", start, re.I) is not None,
        _html,
    ),
)


_BY_ENDING = {
    ".onnx": "an ONNX model",
    ".msgpack": "a checkpoint of Flax",
    ".pb": "a graph of TensorFlow",
    ".mlmodel": "a Core ML model",
}
_ONNX = re.compile(rb"\x08.{1,4}(\x12.)?(pytorch|onnx|tf2onnx)", re.DOTALL)  # its producer


def _unknown(path: Path, start: bytes) -> WeightsError:
    """A file that no signature matches; some formats have none."""
    named = _BY_ENDING.get(".onnx" if _ONNX.match(start) else path.suffix.lower())
    if named is not None:
        return refusal(path, named, _EXPORT)
    return WeightsError(
        f"{path} is neither a safetensors nor a PyTorch file; it starts with {start[:_SHOWN]!r}. "
        f"{_EXPECTED[0].upper()}{_EXPECTED[1:]}."
    )
