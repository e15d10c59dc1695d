"""Files that are not weights: refused by what they are, with the way out."""

import json
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from maskaq.errors import WeightsError
from maskaq.models.weights import kinds, read_weights

STATE = {"a": torch.arange(6.0).view(2, 3), "b.bias": torch.zeros(2)}


def zipped(path: Path, **files: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated
        torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 1), torch.zeros(1, 2)), path)


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.add(__file__, "inner.py")


def compressed(path: Path) -> None:
    torch.save({"a": torch.zeros(100_000)}, path.with_name("plain"))
    with (
        zipfile.ZipFile(path.with_name("plain")) as plain,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in plain.namelist():
            small.writestr(name, plain.read(name))


def npy(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))


def npz(path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(stream, **{"embedding/kernel": np.zeros((2, 2, 3, 4), np.float32)})


WRITERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "npz": (npz, r"a NumPy archive \(npz\) of JAX weights; .*checkpoint_path='.*/x'"),
    "torchscript": (torchscript, r"a TorchScript archive.*torch\.jit\.load\('.*/x'\)\.state_dict"),
    "tar": (tar, "a tar archive; unpack it"),
    "bomb": (compressed, r"compressed: its [\d,]+ bytes unpack to [\d,]+.*save_file"),
    "keras": (lambda p: zipped(p, **{"model.weights.h5": "x"}), "a Keras model; pass PyTorch"),
    "pt2": (lambda p: zipped(p, **{"x/archive_format": "pt2"}), "exported by torch.export"),
    "zip": (lambda p: zipped(p, **{"a/w.pth": "x", "b": ""}), r"a zip .*w\.pth, b.*pass a/w\.pth"),
    "empty zip": (lambda p: zipped(p), r"a zip archive of other files \(none\); pass a safetens"),
    "npy": (npy, r"one NumPy array \(npy\)"),
    "pickle": (lambda p: p.write_bytes(pickle.dumps({"a": 1})), "a Python pickle, which could run"),
    "config": (
        lambda p: p.write_text('{"architectures": ["ViTForImageClassification"]}'),
        r"the configuration of a model \(JSON\) without its weights; pass the folder",
    ),
    "json": (lambda p: p.write_text('{"a": {"b": 1}}'), "a JSON file without weights; pass the w"),
    "json with a brace at the ninth byte": (
        lambda p: p.write_text('{"abc": {"b": 1}}'),
        "a JSON file without weights",
    ),
    "bad json": (lambda p: p.write_text("{"), "text, or JSON that is damaged"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_files_of_other_formats_are_named(tmp_path: Path, name: str) -> None:
    write, message = WRITERS[name]
    write(tmp_path / "x")
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(tmp_path / "x")
    assert str(caught.value).startswith(f"{tmp_path / 'x'} is ")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "empty; download or copy it again"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a Git LFS pointer.*`git lfs pull`"),
        (b"<!DOCTYPE html><html>", "an HTML page.*`resolve` instead of `blob`"),
        (b"\n  <HTML lang=en>", "an HTML page"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 9, "an HDF5 file, as Keras writes it"),
        (b"GGUF\3\0\0\0" + b"\0" * 9, "a GGUF file of quantized weights"),
        (b"\x1c\0\0\0TFL3" + b"\0" * 9, "a TensorFlow Lite model"),
        (b"\x08\x07\x12\x07pytorch\x1a", "an ONNX model; pass the PyTorch"),
        (b"\x1f\x8b\x08\0" + b"\0" * 9, "compressed with gzip; unpack it"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image; pass images as --data FOLDER"),
        (b"just some words", "neither a safetensors nor a PyTorch file; .*b'just some words'"),
    ],
)
def test_other_files_are_named_by_their_first_bytes(
    tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_weights(tmp_path / "x")
    assert str(caught.value).startswith(f"{tmp_path / 'x'} is ")


@pytest.mark.parametrize("name", ["w.onnx", "w.msgpack", "w.pb", "W.MLMODEL"])
def test_formats_without_a_signature_are_named_by_their_ending(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x85some bytes")
    with pytest.raises(WeightsError, match="pass the PyTorch or safetensors weights that it was"):
        read_weights(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [b"PK\3\4 and no archive", save(STATE)[:-3], b"\xff" * 8 + b"{" * 20],
)
def test_damaged_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(WeightsError, match=r"is damaged .*; pass an intact file"):
        read_weights(tmp_path / "x")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"none\.safetensors cannot be read: No such file"):
        read_weights(tmp_path / "none.safetensors")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "a\0b#c", "x" * 5000 + "#c"])
def test_an_impossible_name_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="cannot be read: "):
        read_weights(name)


def test_weights_files_are_recognised_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    for write, kind in (
        (lambda: save_file(STATE, path), kinds.SAFETENSORS),
        (lambda: torch.save(STATE, path), kinds.TORCH),
        (lambda: torch.save(STATE, path, _use_new_zipfile_serialization=False), kinds.TORCH),
        (lambda: path.write_text(json.dumps({"weight_map": {}})), kinds.INDEX),
    ):
        write()
        assert kinds.kind_of(path) == kind
