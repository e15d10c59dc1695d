from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskaq.config import RunSpec
from maskaq.errors import RunError
from maskaq.jobs import job
from maskaq.jobs.job import Progress, Record, Records, after, pack, unpack

STARTED = {"run": "r", "kind": "started", "pid": 1}


def message(step: int, **fields: Any) -> dict[str, Any]:
    plain = {"run": "r", "kind": "progress", "stage": "fit", "step": step, "total": 4}
    empty = {"seconds": 2.0 * step, "rows": (), "problems": (), "pictures": None}
    return plain | empty | fields


def pictures(n: int, side: int) -> np.ndarray:
    """Horizontal gradients in one colour each."""
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    images = np.zeros((n, 3, side, side), np.uint8)
    for number in range(n):
        images[number, number % 3] = ramp
    return images


def test_messages_accumulate() -> None:
    record = after(Record("r", "me", RunSpec()), STARTED)
    assert record.state == "running"
    record = after(record, message(1, rows=({"step": 1, "loss": 3.0},), problems=("slow",)))
    record = after(record, message(2, rows=({"step": 2, "loss": 2.0},)))
    assert record.progress == Progress("fit", 2, 4, 4.0)
    assert [row["loss"] for row in record.rows] == [3.0, 2.0]
    assert record.problems == ["slow"]


def test_a_second_start_resets_the_record() -> None:
    queued = Record("r", "me", RunSpec(), "running", origin="pages/start.py")
    again = after(after(queued, message(3, rows=({"step": 3},))), STARTED)
    assert (again.state, again.rows, again.progress) == ("running", [], Progress())
    assert again.spec is queued.spec
    assert again.origin == "pages/start.py"


@pytest.mark.parametrize("state", ["finished", "failed", "cancelled", "lost"])
def test_a_record_that_has_ended_does_not_change(state: str) -> None:
    record = Record("r", "me", RunSpec(), state)
    assert after(record, STARTED) is record
    assert after(record, message(1)) is record


def test_a_record_is_not_modified_in_place() -> None:
    """A page may be reading it."""
    before = after(Record("r", "me", RunSpec(), "running"), message(1, rows=({"step": 1},)))
    after(before, message(2, rows=({"step": 2},)))
    assert before.rows == [{"step": 1}]
    assert before.progress.step == 1


def test_pictures_stay_until_they_are_replaced() -> None:
    first = pictures(4, 16)
    record = after(Record("r", "me", RunSpec()), STARTED)
    record = after(record, message(1, pictures=pack(first)))
    record = after(record, message(2))
    assert record.images is not None
    assert record.images.shape == first.shape


@pytest.mark.parametrize("side, packed", [(8, 8), (64, 64), (96, 96), (224, 96)])
def test_packed_pictures_look_the_same(side: int, packed: int) -> None:
    images = pictures(5, side)
    unpacked = unpack(*pack(images))
    assert unpacked.shape == (5, 3, packed, packed)
    assert unpacked.dtype == np.uint8
    if side == packed and side >= 64:  # WebP stores colour at half the resolution
        assert np.abs(unpacked.astype(int) - images).mean() < 6
    assert unpacked[0, 0, packed // 2, -2] > 200 > 60 > unpacked[0, 1].mean()  # red to the right


def test_packed_pictures_are_small() -> None:
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


def test_the_oldest_ended_records_are_removed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job, "_KEPT", 3)
    records = Records()
    for name in "abcd":
        records.add([Record(name, "me", RunSpec())])
    assert [record.id for record in records.all()] == list("abcd")  # none of those still active
    for name in "bd":
        records.end(name, "finished")
    records.add([Record("e", "me", RunSpec())])
    assert [record.id for record in records.all()] == list("ace")


def test_a_record_is_closed_once() -> None:
    records = Records()
    records.add([Record("r", "me", RunSpec())])
    assert records.end("r", "finished", folder=Path("there"))
    assert not records.end("r", "cancelled")
    assert not records.end("unknown", "cancelled")
    assert records.get("me", "r").state == "finished"
    assert records.get("me", "r").folder == Path("there")


def test_messages_of_unknown_runs_are_ignored() -> None:
    records = Records()
    records.note(STARTED)
    assert records.all() == []


def test_only_the_owner_can_read_a_record() -> None:
    records = Records()
    records.add([Record("r", "me", RunSpec())])
    assert records.get("me", "r").id == "r"
    with pytest.raises(RunError, match="no run 'r' here"):
        records.get("you", "r")
    with pytest.raises(RunError, match="no run 's' here"):
        records.get("me", "s")
