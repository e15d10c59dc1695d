"""Downloads from a model hub on this computer: size, progress, cache, refusals."""

import shutil
import time
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from threading import Event

import huggingface_hub
import pytest

from maskaq.errors import ModelError
from maskaq.models import download
from maskaq.models.download import CancelledError
from tests.support import model_hub
from tests.support.model_hub import NAME, ModelHub, file_of

ADVICE = (
    rf"no pretrained weights for {NAME} from the model hub \(.*{{}}.*\)\. Download "
    rf"http://127.0.0.1:\d+/timm/{NAME}\.fb_in1k/resolve/main/model\.safetensors on a machine .*"
    rf'`--model {NAME} --weights FILE`.* the field "Weights file" of the app'
)


def files(folder: Path) -> list[Path]:
    """Files of weights in the cache, whole or in part."""
    return [path for path in folder.glob("hub/*/blobs/*") if path.is_file()]


def test_files_of_pretrained_classifiers_are_known_without_timm() -> None:
    assert file_of().repository == f"timm/{NAME}.fb_in1k"
    assert download.find("scenes_vit") is None
    assert download.find("vit_small_patch14_dinov2") is None  # its weights have no classifier
    assert download.find("no_such_model") is None
    assert file_of().url.endswith(f"/timm/{NAME}.fb_in1k/resolve/main/model.safetensors")


def test_the_size_is_known_before_the_download(hub: ModelHub, tmp_path: Path) -> None:
    assert download.size_of(file_of()) == len(hub.add())
    assert hub.requests == [("HEAD", 0)]
    assert download.cached(file_of()) is None
    assert not files(tmp_path)


def test_a_download_reports_its_progress_and_is_cached(hub: ModelHub) -> None:
    reports: list[tuple[int, int]] = []
    path = download.fetch(file_of(), lambda *report: reports.append(report))
    size = len(hub.add())
    assert path.read_bytes() == hub.add()
    assert [total for _, total in reports] == [size] * len(reports)
    done = [done for done, _ in reports]
    assert done == sorted(set(done))
    assert len(done) >= 3
    assert done[-1] == size
    before = len(hub.requests)
    assert download.cached(file_of()) == download.fetch(file_of()) == path
    assert len(hub.requests) == before


def test_a_cached_file_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_hub.use(monkeypatch, tmp_path)
    path = model_hub.cache(tmp_path)
    assert download.cached(file_of()) == download.fetch(file_of()) == path


@pytest.mark.parametrize("offline", [True, False])
def test_without_a_network_it_fails_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    model_hub.use(monkeypatch, tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
    start = time.monotonic()
    for ask in (download.size_of, download.fetch):
        with pytest.raises(ModelError, match=ADVICE.format("Offline" if offline else "Connect")):
            ask(file_of())
    assert time.monotonic() - start < 5


def test_a_large_file_is_refused_before_the_download(hub: ModelHub) -> None:
    hub.stated = 3_000_000_000
    with pytest.raises(ModelError, match=ADVICE.format(r"has 3\.0 GB, allowed: 2\.0 GB")):
        download.fetch(file_of())
    assert not hub.gets


def test_a_full_disk_is_noticed_before_the_download(
    hub: ModelHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "free")(2_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(ModelError, match=ADVICE.format(r"has 3 MB, .* has 2 MB left")):
        download.fetch(file_of())
    assert not hub.gets


def test_only_safetensors_are_downloaded(hub: ModelHub) -> None:
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is not a safetensors file"):
        download.fetch(replace(file_of(), file="pytorch_model.bin"))
    assert not hub.requests


def test_a_missing_file_is_refused(hub: ModelHub) -> None:
    hub.files.clear()
    with pytest.raises(ModelError, match=ADVICE.format("EntryNotFound")):
        download.size_of(file_of())


def test_an_answer_that_is_not_of_a_hub_is_refused(hub: ModelHub) -> None:
    hub.headers = False  # such as the login page of a hotel
    with pytest.raises(ModelError, match=ADVICE.format("not that of a model hub")):
        download.size_of(file_of())


def test_a_lost_connection_is_resumed(hub: ModelHub) -> None:
    hub.break_after = 2_000_000
    done: list[int] = []
    path = download.fetch(file_of(), lambda count, _: done.append(count))
    assert path.read_bytes() == hub.add()
    first, second = hub.gets
    assert first == 0
    assert second > 0
    assert done == sorted(done)
    assert done[-1] == len(hub.add())


def test_a_cancelled_download_can_be_started_again(hub: ModelHub, tmp_path: Path) -> None:
    stop = Event()
    with pytest.raises(CancelledError):
        download.fetch(file_of(), lambda done, total: stop.set(), stop)
    assert download.cached(file_of()) is None
    assert download.fetch(file_of()).read_bytes() == hub.add()
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda data: bytes(len(data)), "SHA-256 is wrong"),
        (lambda data: data + bytes(5_000_000), "sends more than"),
        (lambda data: data[:-10], "Consistency check failed"),
    ],
    ids=["other bytes", "too long", "too short"],
)
def test_a_damaged_answer_is_not_kept(change, reason, hub: ModelHub, tmp_path: Path) -> None:
    hub.sent = change(hub.add())
    with pytest.raises(ModelError, match=ADVICE.format(reason)):
        download.fetch(file_of())
    assert download.cached(file_of()) is None
    assert not files(tmp_path)
    hub.sent = None
    assert download.fetch(file_of()).read_bytes() == hub.add()
