from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs import file_transfer
from maskaq.jobs.file_transfer import pack, resolved


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "worker"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "client" / "images"
    for name in ("a/1.png", "a/2.png", "b/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_files_and_folders_arrive_as_they_were(data: Path, temporary: Path) -> None:
    weights = data.parent / "w.safetensors"
    weights.write_bytes(b"123")
    spec = RunSpec(weights=str(weights), data=str(data))
    sent = {"weights": pack(weights), "data": pack(data)}
    found = resolved(spec, sent)
    assert Path(found.weights).read_bytes() == b"123"
    assert Path(found.weights).name == "w.safetensors"
    there = {path.relative_to(found.data).as_posix() for path in Path(found.data).rglob("*.png")}
    assert there == {"a/1.png", "a/2.png", "b/1.png"}
    assert temporary in Path(found.data).parents
    assert resolved(spec, sent) == found
    assert resolved(spec, {}) == spec


def test_other_contents_go_elsewhere(data: Path) -> None:
    first = resolved(RunSpec(), {"data": pack(data)}).data
    (data / "a" / "1.png").write_bytes(b"new")
    second = resolved(RunSpec(), {"data": pack(data)}).data
    assert first != second
    assert Path(second, "a", "1.png").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", "a\\..\\x"])
def test_names_that_lead_elsewhere_are_refused(data: Path, temporary: Path, name: str) -> None:
    files = {name: b"1"}
    parcel = {"name": "images", "digest": file_transfer._digest(files), "files": files}
    with pytest.raises(RunError, match="is no name of a file"):
        resolved(RunSpec(), {"data": parcel})
    assert list(temporary.rglob("*")) == []


def test_damage_and_excess_are_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError, match="damaged on its way"):
        resolved(RunSpec(), {"data": pack(data) | {"digest": "0"}})
    with pytest.raises(RunError, match="is not there"):
        pack(data / "nothing")
    monkeypatch.setattr(file_transfer, "_MOST", 10)
    with pytest.raises(RunError, match="more than the 1 GiB"):
        pack(data)
