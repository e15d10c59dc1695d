import json
from collections.abc import Callable
from pathlib import Path

import pytest

from maskaq.errors import RunError
from maskaq.results import manifest, store
from tests.support import stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored.write(tmp_path / "run")
    return tmp_path / "run"


def cut(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])


def flip(folder: Path, name: str) -> None:
    path = folder / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def rewrite(folder: Path, text: str) -> None:
    (folder / manifest.NAME).write_text(text)


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no manifest": (lambda f: (f / manifest.NAME).unlink(), "it was never completed"),
    "half a manifest": (lambda f: cut(f, manifest.NAME) or cut(f, manifest.NAME), "cannot be read"),
    "no JSON": (lambda f: rewrite(f, "\x00\x01"), "cannot be read"),
    "a list": (lambda f: rewrite(f, "[]"), "cannot be read"),
    "deep": (lambda f: rewrite(f, "[" * 100_000), "cannot be read"),
    "no files": (
        lambda f: rewrite(f, '{"schema": 1, "files": {}, "summary": {}}'),
        "does not list",
    ),
    "missing": (lambda f: (f / "samples.safetensors").unlink(), "samples.safetensors is missing"),
    "cut": (lambda f: cut(f, "samples.safetensors"), "bytes where .* were written"),
    "flipped result": (
        lambda f: flip(f, "result.json"),
        "result.json has changed",
    ),
    "flipped curves": (lambda f: flip(f, "curves.parquet"), "curves.parquet has changed"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_a_run_error_with_a_reason_and_a_remedy(folder: Path, damage: str) -> None:
    store.read(folder)
    apply, reason = DAMAGES[damage]
    apply(folder)
    with pytest.raises(RunError, match=reason) as raised:
        store.read(folder)
    assert f"runs delete {folder}" in str(raised.value)


@pytest.mark.parametrize("name, part", [("samples", "samples"), ("evidence", "evidence")])
def test_a_damaged_large_file_is_detected_when_it_is_read(
    folder: Path, name: str, part: str
) -> None:
    assert getattr(store.read(folder), part) is not None
    flip(folder, f"{name}.safetensors")
    run = store.read(folder)
    with pytest.raises(RunError, match=f"{name}.safetensors has changed since it was written"):
        getattr(run, part)


def test_a_newer_schema_is_named(folder: Path) -> None:
    values = json.loads((folder / manifest.NAME).read_text())
    rewrite(folder, json.dumps(values | {"schema": 99}))
    with pytest.raises(RunError, match=r"has schema 99, this maskaq reads up to 1: update maskaq"):
        store.read(folder)


def test_files_that_change_in_transit_are_not_stored(folder: Path, tmp_path: Path) -> None:
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.write(files, tmp_path / "same")
    assert store.read(tmp_path / "same").result == store.read(folder).result
    files["samples.safetensors"] = files["samples.safetensors"][::-1]
    with pytest.raises(RunError, match="has changed since it was written"):
        store.write(files, tmp_path / "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "same"]


def test_the_summary_is_the_result_without_its_tensors(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert result.pop("tensors")
    assert manifest.read(folder).summary == result
