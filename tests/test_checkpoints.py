import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from maskaq import checkpoints
from maskaq.checkpoints import KEY, NOWHERE, InFolder, InMemory, State
from maskaq.config.parsing import Every
from maskaq.errors import RunError
from maskaq.events import Event

STATE: State = {"a": torch.arange(3), "b": [torch.tensor([0.1])], "step": 7, "loss": 0.1 + 0.2}


def store(folder: Path, **more: object) -> InFolder:
    return InFolder(folder, {"seed": 1}, **({"every": Every(steps=1)} | more))


def test_a_state_comes_back_to_the_bit(tmp_path: Path) -> None:
    store(tmp_path / "c").keep("x", STATE)
    again = store(tmp_path / "c")
    assert again.found
    state = again.recall("x")
    assert state is not None
    assert torch.equal(state.pop("a"), STATE["a"])
    assert torch.equal(state.pop("b")[0], STATE["b"][0])
    assert state == {"step": 7, "loss": 0.1 + 0.2}
    assert again.recall("y") is None
    assert sorted(path.name for path in (tmp_path / "c").iterdir()) == [KEY, "x.pt"]


def test_tensors_that_share_memory_are_kept(tmp_path: Path) -> None:
    whole = torch.arange(6)
    store(tmp_path).keep("x", {"a": whole, "b": whole[::2]})
    state = store(tmp_path).recall("x")
    assert state is not None
    assert state["b"].tolist() == [0, 2, 4]


def test_states_of_another_key_are_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path / "c").keep("x", STATE)
    assert not caplog.text
    other = InFolder(tmp_path / "c", {"seed": 2}, every=Every())
    assert "of other settings or versions; the run starts over" in caplog.text
    assert not other.found
    assert other.recall("x") is None


def test_states_of_another_format_are_deleted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / KEY).write_text('{\n "seed": 1\n}')
    (tmp_path / "x.safetensors").write_bytes(save({"a": torch.arange(3)}))
    assert store(tmp_path).recall("x") is None
    assert "the run starts over" in caplog.text
    assert not tmp_path.exists()


def test_a_damaged_state_is_ignored_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path).keep("x", STATE)
    file = tmp_path / "x.pt"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[whole.index(STATE["a"].numpy().tobytes())] ^= 1
    for damaged in (b"", b"\x00" * 100, whole[:30], whole[:-100], bytes(flipped)):
        caplog.clear()
        file.write_bytes(damaged)
        assert store(tmp_path).recall("x") is None
        assert f"its stage starts over: {file} is " in caplog.text


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    torch.save({"step": 3}, tmp_path / "x.pt")
    with pytest.raises(RunError, match=r"x\.pt is not a checkpoint of this version; delete it"):
        checkpoints.read(tmp_path / "x.pt")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"x\.pt cannot be read"):
        checkpoints.read(tmp_path / "x.pt")


@pytest.mark.parametrize(
    "every, stored",
    [(Every(seconds=30), [30, 60, 90]), (Every(steps=4), [30, 70]), (Every(), [])],
)
def test_offers_are_taken_when_due(tmp_path: Path, every: Every, stored: list[int]) -> None:
    now = 0.0
    folder = store(tmp_path, every=every, clock=lambda: now)
    made = []

    def state() -> State:
        made.append(now)
        return STATE

    for now in range(0, 100, 10):  # noqa: B007  # read by the clock
        folder.offer("x", state)
    assert made == stored


def test_a_full_disk_loses_the_state_and_not_the_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    folder = InFolder(tmp_path / "file" / "below", {}, every=Every(steps=1))
    with caplog.at_level(logging.WARNING):
        folder.offer("x", lambda: STATE)
        folder.offer("x", lambda: STATE)
    assert caplog.text.count("no checkpoint could be kept") == 1
    assert folder.recall("x") is None


def test_clear_leaves_nothing(tmp_path: Path) -> None:
    folder = store(tmp_path / "c")
    folder.keep("x", STATE)
    folder.clear()
    assert list(tmp_path.iterdir()) == []
    folder.clear()


def test_nowhere_keeps_nothing() -> None:
    NOWHERE.keep("x", STATE)
    NOWHERE.offer("x", lambda: pytest.fail("the state was made"))
    assert NOWHERE.recall("x") is None


def test_events_come_back_from_bytes_with_images_and_problems() -> None:
    images = torch.full((2, 3, 4, 4), 9, dtype=torch.uint8)
    events = [Event("synthesis", 1, 2, {"loss": 0.1 + 0.2}), Event("fit", 2, 2, {}, images, "NaN")]
    sender = InMemory()
    sender.keep("x", {"events": [vars(event) for event in events]})
    state = InMemory(sender.files).recall("x")
    assert state is not None
    first, second = (Event(**values) for values in state["events"])
    assert first == events[0]
    assert (second.stage, second.step, second.problem) == ("fit", 2, "NaN")
    assert second.images is not None
    assert torch.equal(second.images, images)


def test_bytes_damaged_on_their_way_are_refused() -> None:
    sender = InMemory()
    sender.keep("x", STATE)
    receiver = InMemory({"x": sender.files["x"][:-1]})
    with pytest.raises(RunError, match="the state 'x' is damaged"):
        receiver.recall("x")
    assert receiver.recall("y") is None


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_an_optimiser_resumes_as_if_uninterrupted(tmp_path: Path, kind: type) -> None:
    options = {"momentum": 0.9} if kind is torch.optim.SGD else {}

    def start() -> tuple[torch.Tensor, torch.optim.Optimizer]:
        weight = torch.linspace(-1, 1, 5).requires_grad_()
        return weight, kind([weight], lr=0.1, **options)

    def go(weight: torch.Tensor, optimiser: torch.optim.Optimizer, steps: int) -> None:
        for _ in range(steps):
            optimiser.zero_grad()
            weight.pow(4).sum().backward()
            optimiser.step()

    whole, halves, resumed = start(), start(), start()
    go(*whole, 6)
    go(*halves, 3)
    state = {"weight": halves[0].detach(), "optimiser": halves[1].state_dict()}
    checkpoints.write(tmp_path / "x.pt", state)
    go(*halves, 1)
    state = checkpoints.read(tmp_path / "x.pt")
    with torch.no_grad():
        resumed[0].copy_(state["weight"])
    resumed[1].load_state_dict(state["optimiser"])
    go(*resumed, 3)
    assert torch.equal(resumed[0], whole[0])
