import tempfile
from pathlib import Path

import pytest
import torch

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs import file_transfer
from maskaq.jobs.file_transfer import pack, paths_of, resolved
from maskaq.models.weights import read_weights
from tests.support.weights_files import save_shards


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "worker"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "client" / "images"
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_files_and_folders_arrive_unchanged(data: Path, temporary: Path) -> None:
    weights = data.parent / "w.safetensors"
    weights.write_bytes(b"123")
    spec = RunSpec(weights=str(weights), data=str(data))
    sent = {"weights": pack(weights), "data": pack(data)}
    received = resolved(spec, sent)
    assert Path(received.weights).read_bytes() == b"123"
    assert Path(received.weights).name == "w.safetensors"
    names = {
        path.relative_to(received.data).as_posix() for path in Path(received.data).rglob("*.png")
    }
    assert names == {"a/1.png", "a/2.png", "b/1.png"}
    assert temporary in Path(received.data).parents
    assert resolved(spec, sent) == received
    assert resolved(spec, {}) == spec


def test_a_model_of_transformers_arrives_as_its_folder(tmp_path: Path, temporary: Path) -> None:
    folder = tmp_path / "yolos"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    spec = RunSpec(model=f"transformers:{folder}", data="images")
    assert paths_of(spec) == {"model": str(folder), "data": "images"}
    received = resolved(spec, {"model": pack(folder, "model")}).model
    assert received.startswith(f"transformers:{temporary}")
    assert Path(received.removeprefix("transformers:"), "config.json").read_text() == "{}"
    assert paths_of(RunSpec(model="transformers:hustvl/yolos-tiny")) == {}
    assert paths_of(RunSpec()) == {}


def test_weights_in_several_files_arrive_with_their_index(tmp_path: Path) -> None:
    index = save_shards({"a": torch.ones(2), "b": torch.ones(3)}, tmp_path / "client")
    received = resolved(RunSpec(weights=str(index)), {"weights": pack(index)})
    assert set(read_weights(received.weights).state) == {"a", "b"}


def test_the_choice_of_a_model_in_a_file_arrives(tmp_path: Path) -> None:
    torch.save({"net": {"a": torch.ones(2)}, "ema": {"a": torch.zeros(2)}}, tmp_path / "w.pt")
    path = f"{tmp_path / 'w.pt'}#net"
    received = resolved(RunSpec(weights=path), {"weights": pack(path)})
    assert read_weights(received.weights).state["a"].tolist() == [1, 1]


def test_other_contents_get_another_folder(data: Path) -> None:
    first = resolved(RunSpec(), {"data": pack(data)}).data
    (data / "a" / "1.png").write_bytes(b"new")
    second = resolved(RunSpec(), {"data": pack(data)}).data
    assert first != second
    assert Path(second, "a", "1.png").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\..\\x"])
def test_names_outside_the_folder_are_refused(data: Path, temporary: Path, name: str) -> None:
    files = {name: b"1"}
    parcel = {"name": "images", "digest": file_transfer._digest(files), "files": files}
    with pytest.raises(RunError, match="is not a valid file name"):
        resolved(RunSpec(), {"data": parcel})
    assert list(temporary.rglob("*")) == []


def test_damaged_missing_and_large_files(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="damaged on the way"):
        resolved(RunSpec(), {"data": pack(data) | {"digest": "0"}})
    with pytest.raises(RunError, match="does not exist"):
        pack(data / "nothing")
    monkeypatch.setattr(file_transfer, "_MOST", 10)
    with pytest.raises(RunError, match="more than the 1 GiB"):
        pack(data)
