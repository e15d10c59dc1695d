from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs import job
from maskaq.jobs.job import Progress, Record, Records, after, pack, unpack

STARTED = {"run": "r", "kind": "started", "pid": 1}


def message(step: int, **what: Any) -> dict[str, Any]:
    plain = {"run": "r", "kind": "progress", "stage": "fit", "step": step, "total": 4}
    empty = {"seconds": 2.0 * step, "rows": (), "problems": (), "pictures": None}
    return plain | empty | what


def pictures(n: int, side: int) -> np.ndarray:
    """Soft ramps, one colour each."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    images = np.zeros((n, 3, side, side), np.uint8)
    for number in range(n):
        images[number, number % 3] = ramp
    return images


def test_messages_add_up() -> None:
    record = after(Record("r", "me", RunSpec()), STARTED)
    assert record.state == "running"
    record = after(record, message(1, rows=({"step": 1, "loss": 3.0},), problems=("slow",)))
    record = after(record, message(2, rows=({"step": 2, "loss": 2.0},)))
    assert record.progress == Progress("fit", 2, 4, 4.0)
    assert [row["loss"] for row in record.rows] == [3.0, 2.0]
    assert record.problems == ["slow"]


def test_a_second_start_forgets_the_first() -> None:
    queued = Record("r", "me", RunSpec(), "running", origin="pages/start.py")
    again = after(after(queued, message(3, rows=({"step": 3},))), STARTED)
    assert (again.state, again.rows, again.progress) == ("running", [], Progress())
    assert again.spec is queued.spec
    assert again.origin == "pages/start.py"


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled", "lost"])
def test_a_record_that_has_ended_stays_as_it_is(state: str) -> None:
    record = Record("r", "me", RunSpec(), state)
    assert after(record, STARTED) is record
    assert after(record, message(1)) is record


def test_a_record_is_never_changed() -> None:
    """A page may be reading it."""
    before = after(Record("r", "me", RunSpec(), "running"), message(1, rows=({"step": 1},)))
    after(before, message(2, rows=({"step": 2},)))
    assert before.rows == [{"step": 1}]
    assert before.progress.step == 1


def test_pictures_stay_until_new_ones_come() -> None:
    first = pictures(4, 16)
    record = after(Record("r", "me", RunSpec()), STARTED)
    record = after(record, message(1, pictures=pack(first)))
    record = after(record, message(2))
    assert record.images is not None
    assert record.images.shape == first.shape


@pytest.mark.parametrize("side, kept", [(8, 8), (64, 64), (96, 96), (224, 96)])
def test_packed_pictures_look_the_same(side: int, kept: int) -> None:
    images = pictures(5, side)
    found = unpack(*pack(images))
    assert found.shape == (5, 3, kept, kept)
    assert found.dtype == np.uint8
    wanted = images if side == kept else None
    if wanted is not None and side >= 64:  # WebP keeps colour at half the resolution
        assert np.abs(found.astype(int) - wanted).mean() < 6
    assert found[0, 0, kept // 2, -2] > 200 > 60 > found[0, 1].mean()  # red to the right


def test_a_strip_of_pictures_is_a_small_message() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 3, 224, 224), np.uint8)
    data, count = pack(noise)
    assert count == 16
    assert len(data) < 150_000


def test_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_ROWS", 10)
    record = Record("r", "me", RunSpec(), "running")
    for step in range(25):
        record = after(record, message(step, rows=({"step": step},)))
    assert [row["step"] for row in record.rows] == list(range(15, 25))


def test_the_oldest_that_ended_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_KEPT", 3)
    kept = Records()
    for name in "abcd":
        kept.add([Record(name, "me", RunSpec())])
    assert [record.id for record in kept.all()] == list("abcd")  # none that is under way
    for name in "bd":
        kept.end(name, "finished")
    kept.add([Record("e", "me", RunSpec())])
    assert [record.id for record in kept.all()] == list("ace")


def test_a_record_is_closed_once() -> None:
    kept = Records()
    kept.add([Record("r", "me", RunSpec())])
    assert kept.end("r", "finished", folder=Path("there"))
    assert not kept.end("r", "cancelled")
    assert not kept.end("unknown", "cancelled")
    assert kept.get("me", "r").state == "finished"
    assert kept.get("me", "r").folder == Path("there")


def test_messages_of_forgotten_runs_are_dropped() -> None:
    kept = Records()
    kept.note(STARTED)
    assert kept.all() == []


def test_only_the_owner_may_look() -> None:
    kept = Records()
    kept.add([Record("r", "me", RunSpec())])
    assert kept.get("me", "r").id == "r"
    with pytest.raises(RunError, match="no run 'r' here"):
        kept.get("you", "r")
    with pytest.raises(RunError, match="no run 's' here"):
        kept.get("me", "s")
