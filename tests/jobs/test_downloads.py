"""Downloads in threads, from a model hub on this computer, as several sessions see them."""

import pytest

from maskaq.errors import RunError
from maskaq.jobs import downloads
from maskaq.jobs.downloads import State
from maskaq.models import download
from tests.support import model_hub
from tests.support.model_hub import ModelHub, file_of
from tests.support.waiting import until

FILE = file_of()


def reach(name: str, file: download.HubFile = FILE) -> State:
    until(lambda: downloads.look(file).name == name)
    return downloads.look(file)


def test_a_look_asks_for_the_size_and_downloads_nothing(hub: ModelHub) -> None:
    assert downloads.look(FILE) == State("asking")
    assert reach("offered") == State("offered", total=len(hub.add()))
    downloads.look(FILE)
    assert hub.requests == [("HEAD", 0)]


def test_one_download_serves_all_sessions(hub: ModelHub) -> None:
    hub.pause_after = 2_000_000
    reach("offered")
    for _ in range(2):
        downloads.start(FILE)
    until(lambda: downloads.look(FILE).done)
    state = downloads.look(FILE)
    assert (state.name, state.total) == ("running", len(hub.add()))
    assert 0 < state.share < 1
    assert state.left is not None
    hub.resume.set()
    reach("done")
    assert len(hub.gets) == 1
    assert download.cached(FILE) is not None


def test_a_download_is_cancelled_at_once_and_can_be_started_again(hub: ModelHub) -> None:
    hub.pause_after = 2_000_000
    reach("offered")
    downloads.cancel(FILE)  # none is running
    assert downloads.look(FILE).name == "offered"
    downloads.start(FILE)
    until(lambda: downloads.look(FILE).done)
    downloads.cancel(FILE)
    assert downloads.look(FILE) == State("cancelled", total=len(hub.add()))
    hub.resume.set()
    downloads.start(FILE)
    reach("done")
    assert len(hub.gets) == 2


def test_a_failure_keeps_its_reason_until_the_next_try(hub: ModelHub) -> None:
    hub.headers = False
    assert "not that of a model hub" in reach("failed").error
    assert reach("failed").left is None
    hub.headers = True
    downloads.start(FILE)  # asks for the size again
    reach("offered")
    hub.sent = bytes(len(hub.add()))
    downloads.start(FILE)
    state = reach("failed")
    assert "SHA-256" in state.error
    assert state.total
    hub.sent = None
    downloads.start(FILE)
    reach("done")


def test_a_server_downloads_few_models_at_a_time(hub: ModelHub) -> None:
    names = ["deit_small_patch16_224", "deit_base_patch16_224", model_hub.NAME]
    hub.pause_after = 1
    for name in names:
        hub.add(name)
        reach("offered", file_of(name))
    for name in names[:2]:
        downloads.start(file_of(name))
    with pytest.raises(RunError, match="already downloads 2 models; allowed: 2"):
        downloads.start(FILE)
    hub.resume.set()
    for name in names[:2]:
        reach("done", file_of(name))


def test_a_demo_sends_no_request(hub: ModelHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    for action in (downloads.look, downloads.start):
        with pytest.raises(RunError, match="MASKAQ_READONLY"):
            action(FILE)
    assert not hub.requests
