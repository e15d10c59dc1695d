from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from maskaq.checkpoints import (
    KEY,
    NOWHERE,
    InFolder,
    State,
    named,
    pack,
    pack_optimiser,
    part,
    unpack,
    unpack_optimiser,
)
from maskaq.config.parsing import Every
from maskaq.events import Event

STATE = State({"a": torch.arange(3), "b": torch.tensor([0.1])}, {"step": 7, "loss": 0.1})


def kept(folder: Path, **more: object) -> InFolder:
    return InFolder(folder, {"seed": 1}, **({"every": Every(steps=1)} | more))


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    kept(tmp_path / "c").keep("x", STATE)
    again = kept(tmp_path / "c")
    assert again.found
    found = again.recall("x")
    assert found is not None
    assert found.notes == STATE.notes
    assert all(torch.equal(found.tensors[name], STATE.tensors[name]) for name in "ab")
    assert again.recall("y") is None
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [KEY, "x.safetensors"]


def test_tensors_that_share_memory_are_kept(tmp_path: Path) -> None:
    whole = torch.arange(6)
    kept(tmp_path).keep("x", State({"a": whole, "b": whole[::2]}, {}))
    found = kept(tmp_path).recall("x")
    assert found is not None
    assert found.tensors["b"].tolist() == [0, 2, 4]


def test_states_of_another_key_are_thrown_away(tmp_path: Path) -> None:
    kept(tmp_path / "c").keep("x", STATE)
    other = InFolder(tmp_path / "c", {"seed": 2}, every=Every())
    assert not other.found
    assert other.recall("x") is None


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100, b"\xff" * 8])
def test_a_damaged_state_is_none(tmp_path: Path, damage: bytes) -> None:
    kept(tmp_path).keep("x", STATE)
    (tmp_path / "x.safetensors").write_bytes(damage)
    assert kept(tmp_path).recall("x") is None


@pytest.mark.parametrize(
    "every, stored",
    [(Every(seconds=30), [30, 60, 90]), (Every(steps=4), [30, 70]), (Every(), [])],
)
def test_offers_are_taken_when_it_is_time(tmp_path: Path, every: Every, stored: list[int]) -> None:
    now = 0.0
    checkpoints = kept(tmp_path, every=every, clock=lambda: now)
    made = []

    def state() -> State:
        made.append(now)
        return STATE

    for now in range(0, 100, 10):  # noqa: B007  # read by the clock
        checkpoints.offer("x", state)
    assert made == stored


def test_a_full_disk_costs_the_state_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    checkpoints = InFolder(tmp_path / "file" / "below", {}, every=Every(steps=1))
    with caplog.at_level(logging.WARNING):
        checkpoints.offer("x", lambda: STATE)
        checkpoints.offer("x", lambda: STATE)
    assert caplog.text.count("no checkpoint could be kept") == 1
    assert checkpoints.recall("x") is None


def test_clear_leaves_nothing(tmp_path: Path) -> None:
    checkpoints = kept(tmp_path / "c")
    checkpoints.keep("x", STATE)
    checkpoints.clear()
    assert list(tmp_path.iterdir()) == []
    checkpoints.clear()


def test_nowhere_keeps_nothing() -> None:
    NOWHERE.keep("x", STATE)
    NOWHERE.offer("x", lambda: pytest.fail("asked for a state"))
    assert NOWHERE.recall("x") is None


def test_events_come_back_with_pictures_and_problems() -> None:
    images = torch.full((2, 3, 4, 4), 9, dtype=torch.uint8)
    events = [Event("synthesis", 1, 2, {"loss": 0.1 + 0.2}), Event("fit", 2, 2, {}, images, "NaN")]
    state = pack(events)
    first, second = unpack(State(state.tensors, json.loads(json.dumps(state.notes))))
    assert first == events[0]
    assert (second.stage, second.step, second.problem) == ("fit", 2, "NaN")
    assert second.images is not None
    assert torch.equal(second.images, images)


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_an_optimiser_goes_on_as_if_nothing_had_been(kind: type) -> None:
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}

    def start() -> tuple[torch.Tensor, torch.optim.Optimizer]:
        weight = torch.linspace(-1, 1, 5).requires_grad_()
        return weight, kind([weight], lr=0.1, **options)

    def go(weight: torch.Tensor, optimiser: torch.optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            weight.pow(4).sum().backward()
            optimiser.step()

    whole, halves = start(), start()
    go(*whole, 6)
    go(*halves, 3)
    state = named("q", pack_optimiser(halves[1]).items())
    resumed = start()
    with torch.no_grad():
        resumed[0].copy_(halves[0])
    unpack_optimiser(resumed[1], part(state, "q"))
    go(*resumed, 3)
    assert torch.equal(resumed[0], whole[0])
