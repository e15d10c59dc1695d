import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load

from maskaq.config import RunSpec
from maskaq.errors import DataError
from maskaq.events import Event
from maskaq.jobs import worker
from maskaq.jobs.job import unpack
from maskaq.jobs.run_tasks import run_files
from maskaq.jobs.worker import Mailer


class Clock:
    """A clock that the test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sent() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def mailer(clock: Clock, sent: list[dict[str, Any]]) -> Mailer:
    mailer = Mailer(sent.append, clock)
    mailer.start()
    return mailer


def test_the_first_message_names_the_process(mailer: Mailer, sent: list[dict[str, Any]]) -> None:
    mailer.flush()  # nothing to send
    assert sent == [{"kind": "started", "pid": os.getpid()}]


def test_few_messages_hold_every_event(
    mailer: Mailer, clock: Clock, sent: list[dict[str, Any]]
) -> None:
    for step in range(1, 101):
        clock.now += 0.05
        mailer.note(Event("fit", step, 100, {"loss": 1 / step}, problem=f"p{step}"))
    mailer.flush()
    progress = sent[1:]
    assert 20 <= len(progress) <= 30  # five a second, in five seconds
    assert [row["step"] for message in progress for row in message["rows"]] == list(range(1, 101))
    assert [text for message in progress for text in message["problems"]][-1] == "p100"
    assert progress[0]["rows"] == [{"stage": "fit", "step": 1, "loss": 1.0}]
    last = progress[-1]
    assert (last["stage"], last["step"], last["total"]) == ("fit", 100, 100)
    assert last["seconds"] == pytest.approx(5.0)


def test_seconds_count_from_the_start_of_the_stage(
    mailer: Mailer, clock: Clock, sent: list[dict[str, Any]]
) -> None:
    clock.now += 7
    mailer.note(Event("load", 1, 1))
    clock.now += 2
    mailer.note(Event("fit", 1, 2))
    assert [message["seconds"] for message in sent[1:]] == [7.0, 2.0]


def test_only_the_latest_pictures_are_sent_twice_a_second(
    mailer: Mailer, clock: Clock, sent: list[dict[str, Any]]
) -> None:
    for value in range(10):
        clock.now += 0.25
        images = torch.full((2, 3, 16, 16), 20 * value, dtype=torch.uint8)
        mailer.note(Event("synthesis", value + 1, 10, images=images))
    pictures = [message["pictures"] for message in sent[1:] if message["pictures"]]
    assert len(pictures) == 5  # one every half second
    values = [round(float(unpack(*packed).mean())) for packed in pictures]
    assert values == pytest.approx([0, 40, 80, 120, 160], abs=4)


def test_messages_are_plain_values(mailer: Mailer, clock: Clock, sent: list[Any]) -> None:
    clock.now += 1
    metrics = {"loss": torch.tensor(2.0)}
    mailer.note(Event("fit", 1, 1, metrics, problem="slow"))  # type: ignore[arg-type]
    assert json.loads(json.dumps(sent[1]))["rows"] == [{"stage": "fit", "step": 1, "loss": 2.0}]


def test_errors_as_text() -> None:
    try:
        raise DataError("no image; give one.")
    except DataError as error:
        text = worker.as_text(error)
    assert text["kind"] == "DataError"
    assert text["message"] == "no image; give one."
    assert text["foreseen"]
    assert "test_errors_as_text" in text["traceback"]
    assert not worker.as_text(KeyError("x"))["foreseen"]


def test_an_answer_or_its_error_as_text() -> None:
    answer = worker.answer("inspect", {"model": "scenes_vit"})
    assert answer["value"]["classes"] == 10
    assert answer["value"]["task"] == "classification"
    refused = worker.answer("inspect", {"model": "scenes_vot"})
    assert (refused["kind"], refused["foreseen"]) == ("ModelError", True)
    assert not worker.answer("inspect", {"colour": "red"})["foreseen"]


def test_run_files_equal_the_files_that_save_writes(tmp_path: Path, small_spec: RunSpec) -> None:
    from maskaq.results import store
    from maskaq.runs.execute import execute

    spec = replace(small_spec, fit=replace(small_spec.fit, backend="minmax"), eval_images=40)
    *events, files = run_files(spec, {}, {})
    assert all(isinstance(event, Event) for event in events)
    assert isinstance(files, dict)
    store.save(execute(spec, progress=False), tmp_path / "run")
    assert set(files) == {path.name for path in (tmp_path / "run").iterdir()}
    for name in ("samples.safetensors", "q.safetensors"):
        sent, kept = load(files[name]), load((tmp_path / "run" / name).read_bytes())
        assert sent.keys() == kept.keys()
        assert all(np.array_equal(sent[key], kept[key]) for key in kept), name
    store.write(files, tmp_path / "written")
    assert store.read(tmp_path / "written").result.spec == spec
