"""Weights files, folders and files in several parts: which are read, and never as code."""

import json
from argparse import Namespace
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save, save_file
from torch import Tensor

from maskaq.errors import WeightsError
from maskaq.models.weights import read_weights
from tests.support.weights_files import save_shards

STATE = {"a": torch.arange(6.0).view(2, 3), "b.bias": torch.zeros(2)}


class _Exploit:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_never_run(tmp_path: Path, zipped: bool) -> None:
    evidence = tmp_path / "evidence"
    content = {"model": STATE, "args": _Exploit(evidence)}
    torch.save(content, tmp_path / "x.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"Python objects, which could run code.*save_file"):
        read_weights(tmp_path / "x.pth")
    assert not evidence.exists()
    torch.save({"model": STATE, "args": Namespace(lr=1)}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match=r"contains Python objects.*\(argparse\.Namespace\)"):
        read_weights(tmp_path / "y.pth")


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), zipped=st.sampled_from([True, False, None]))
def test_a_damaged_file_never_crashes_the_reader(
    tmp_path: Path, data: st.DataObject, zipped: bool | None
) -> None:
    path = tmp_path / "x"
    if zipped is None:
        path.write_bytes(save(STATE))
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    raw = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(raw) - 1))
    if data.draw(st.booleans()):
        raw = raw[:position]
    else:
        raw[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(raw)
    with suppress(WeightsError):
        assert all(isinstance(value, Tensor) for value in read_weights(path).state.values())


@pytest.mark.parametrize("ending", ["safetensors", "bin"])
def test_files_in_parts_are_read_through_their_index_or_their_folder(
    tmp_path: Path, ending: str
) -> None:
    index = save_shards(STATE, tmp_path, ending)
    for path in (index, tmp_path):
        weights = read_weights(path)
        assert weights.state.keys() == STATE.keys()
        assert torch.equal(weights.state["a"], STATE["a"])
        assert (weights.path, weights.notes) == (index, ())


def test_a_part_alone_leads_to_its_index(tmp_path: Path) -> None:
    index = save_shards(STATE, tmp_path)
    part = tmp_path / "model-00001-of-00002.safetensors"
    with pytest.raises(WeightsError, match=f"is file 1 of the 2 files .*; pass its index.*{index}"):
        read_weights(part)
    part.rename(tmp_path / "model-00001-of-00001.safetensors")
    assert list(read_weights(tmp_path / "model-00001-of-00001.safetensors").state) == ["a"]


def test_an_index_without_all_of_its_files_is_refused(tmp_path: Path) -> None:
    index = save_shards(STATE, tmp_path)
    part = tmp_path / "model-00002-of-00002.safetensors"
    save_file({"other": torch.zeros(1)}, part)
    what = "the index of a sharded checkpoint in 2 files; "
    with pytest.raises(WeightsError, match=what + rf"{part.name} lacks b\.bias"):
        read_weights(index)
    part.unlink()
    with pytest.raises(WeightsError, match=what + f"missing next to it: {part.name}"):
        read_weights(index)
    index.write_text(json.dumps({"weight_map": {"a": "x" * 5000}}))
    with pytest.raises(WeightsError, match=r"checkpoint in 1 file; missing next to it: xx"):
        read_weights(index)


@pytest.mark.parametrize("name", ["../x.safetensors", "/etc/passwd", "sub/x.safetensors"])
def test_an_index_does_not_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    save_file(STATE, tmp_path / "x.safetensors")
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "x.json").write_text(json.dumps({"weight_map": {"a": name}}))
    with pytest.raises(WeightsError, match="some of which are not next to it"):
        read_weights(folder / "x.json")


@pytest.mark.parametrize("content", [{}, [], 3, {"a": None}])
def test_a_damaged_index_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"weight_map": content}))
    with pytest.raises(WeightsError, match="index"):
        read_weights(tmp_path / "x.json")


def test_an_index_does_not_lead_to_itself(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"weight_map": {"a": "x.json"}}))
    with pytest.raises(WeightsError, match="one of which is an index"):
        read_weights(tmp_path / "x.json")


def test_a_folder_gives_its_usual_or_its_only_file(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "last.pth")
    (tmp_path / "config.json").write_text("{}")
    weights = read_weights(tmp_path)
    assert (weights.path, weights.notes) == (tmp_path / "last.pth", ())
    torch.save(STATE, tmp_path / "best.pth")
    with pytest.raises(
        WeightsError, match=r"several weights files: best\.pth, last\.pth; pass one"
    ):
        read_weights(tmp_path)
    save_file(STATE, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).notes == (
        "took model.safetensors of the files best.pth, last.pth, model.safetensors",
    )


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"a folder without weights; it has no files. Expected"):
        read_weights(tmp_path)
    (tmp_path / "photo.png").touch()
    with pytest.raises(WeightsError, match=r"a folder without weights; it contains photo\.png"):
        read_weights(tmp_path)
