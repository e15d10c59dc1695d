"""Models by their name on a hub: cache, download, refusals."""

from collections.abc import Callable, Iterator
from pathlib import Path

import huggingface_hub
import pytest

from maskaq.errors import ModelError
from maskaq.models.dense_transformers import hub, load_dense
from tests.support import model_hub
from tests.support.dense_transformers import NAMES
from tests.support.model_hub import COMMIT, ModelHub

pytest.importorskip("transformers", reason="transformers is not installed")

NAME = "someone/tiny-yolos"
FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
ADVICE = (
    rf"{NAME} is no local folder, is not in the cache of the model hub's client, and cannot be "
    rf"downloaded \(.*{{}}.*\)\. On a machine with network access, run `hf download {NAME} "
    r"config\.json preprocessor_config\.json model\.safetensors --local-dir FOLDER`"
)


@pytest.fixture
def served(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ModelHub]:
    """A hub with one model."""
    own = ModelHub()
    own.files = {f"{NAME}/{file}": (folder_of("yolos") / file).read_bytes() for file in FILES}
    model_hub.use(monkeypatch, tmp_path, own)
    yield own
    own.close()


def test_a_model_is_downloaded_and_cached(served: ModelHub) -> None:
    p = load_dense(NAME)
    assert (p.name, p.class_names, p.sides) == (NAME, NAMES, (64, 64))
    assert len(served.gets) == 3
    before = len(served.requests)
    assert load_dense(NAME).grid == p.grid
    assert len(served.requests) == before


def test_a_model_without_preprocessing_is_downloaded(served: ModelHub) -> None:
    del served.files[f"{NAME}/preprocessor_config.json"]
    assert any("assumed to be ImageNet's" in note for note in load_dense(NAME).notes)


def test_a_cached_model_needs_no_network(
    folder_of: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model_hub.use(monkeypatch, tmp_path)
    repository = tmp_path / "hub" / "models--someone--tiny-yolos"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    for file in FILES:
        (snapshot / file).write_bytes((folder_of("yolos") / file).read_bytes())
    assert load_dense(NAME).class_names == NAMES
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=ADVICE.format("Connect")):
        load_dense(NAME)


def test_a_repository_without_safetensors_is_refused(served: ModelHub) -> None:
    del served.files[f"{NAME}/model.safetensors"]
    with pytest.raises(ModelError, match=ADVICE.format("404|EntryNotFound")):
        load_dense(NAME)


def test_a_large_model_is_refused(served: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "LIMIT", 1000)
    with pytest.raises(ModelError, match=ADVICE.format("more than 0 GB")):
        load_dense(NAME)
    assert not served.gets


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool) -> None:
    model_hub.use(monkeypatch, tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    with pytest.raises(ModelError, match=ADVICE.format("Offline" if offline else "Connect")):
        load_dense(NAME)


@pytest.mark.parametrize("name", ["yolos", "", "a/b/c", "a b/c", "/no/such/folder", "a\0b"])
def test_names_that_are_neither_folders_nor_repositories(name: str) -> None:
    with pytest.raises(ModelError, match="is neither a folder nor a repository of the model hub"):
        load_dense(name)


def test_a_file_is_no_folder(folder_of: Callable[[str], Path]) -> None:
    with pytest.raises(ModelError, match="is neither a folder nor a repository"):
        load_dense(folder_of("yolos") / "model.safetensors")
