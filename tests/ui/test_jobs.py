from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from maskaq.events import Event
from maskaq.ui.jobs import Job, Progress

SOON = 10  # seconds after which a test has failed


class Steps:
    """Events that are handed out one by one, and a result, so that a test sets the pace."""

    def __init__(self, count: int) -> None:
        self.gates = [threading.Event() for _ in range(count)]
        self.reached = [threading.Event() for _ in range(count)]
        self.closed = False

    def __call__(self) -> Iterator[Event | str]:
        try:
            for number, gate in enumerate(self.gates):
                self.reached[number].set()
                assert gate.wait(SOON)
                yield Event("synthesis", number + 1, len(self.gates), {"loss": 1.0 / (number + 1)})
            yield "result"
        finally:
            self.closed = True


def finish(job: Job[str]) -> None:
    job.join(SOON)
    assert not job.alive()


def test_a_job_keeps_what_the_events_said_and_the_result():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    events = [
        Event("load", 1, 1),
        Event("synthesis", 1, 2, {"loss": 2.0}, images),
        Event("synthesis", 2, 2, {"loss": 1.0}, problem="image 1 turned NaN"),
    ]
    job: Job[str] = Job("name", iter([*events, "result"]))
    assert job.waiting
    job.start()
    finish(job)
    assert (job.result, job.error, job.cancelled, job.waiting) == ("result", None, False, False)
    assert job.rows == [
        {"stage": "synthesis", "step": 1, "loss": 2.0},
        {"stage": "synthesis", "step": 2, "loss": 1.0},
    ]
    assert job.images is images
    assert job.problems == ["image 1 turned NaN"]
    assert (job.progress.stage, job.progress.step, job.progress.total) == ("synthesis", 2, 2)


def test_time_left_is_counted_from_the_start_of_the_stage():
    times = iter([0.0, 10.0, 12.0, 14.0, 15.0])
    events = [Event("load", 1, 1), Event("fit", 1, 8), Event("fit", 2, 8)]
    job: Job[str] = Job("name", iter([*events, "result"]), clock=lambda: next(times))
    job.start()
    finish(job)
    assert job.error is None
    assert job.progress == Progress("fit", 2, 8, 4.0)  # two steps in the 4 s since loading ended
    assert job.progress.left == pytest.approx(12.0)
    assert job.progress.share == pytest.approx(0.25)


def test_before_the_first_step_nothing_is_known():
    assert Progress().left is None
    assert Progress().share == 0


def test_cancel_stops_between_two_steps_and_cleans_up():
    steps = Steps(3)
    job: Job[str] = Job("name", steps())
    job.start()
    steps.gates[0].set()
    assert steps.reached[1].wait(SOON)
    job.cancel()
    steps.gates[1].set()
    finish(job)
    assert job.cancelled
    assert job.result is None
    assert steps.closed  # the generator's own clean-up has run
    assert not steps.reached[2].is_set()


def test_an_error_is_kept_for_the_page():
    def broken() -> Iterator[Event | str]:
        yield Event("load", 1, 1)
        raise ValueError("no")

    job: Job[str] = Job("name", broken())
    job.start()
    finish(job)
    assert isinstance(job.error, ValueError)
    assert job.result is None


def test_jobs_take_turns_and_a_waiting_one_can_be_cancelled():
    steps = Steps(1)
    first: Job[str] = Job("first", steps())
    first.start()
    assert steps.reached[0].wait(SOON)
    second: Job[str] = Job("second", iter(["second"]))
    third: Job[str] = Job("third", iter(["third"]))
    second.start()
    third.start()
    third.cancel()
    finish(third)
    assert second.waiting
    assert second.alive()
    steps.gates[0].set()
    finish(first)
    finish(second)
    assert (first.result, second.result, third.result) == ("result", "second", None)


def test_the_turn_is_passed_on_after_an_error():
    def broken() -> Iterator[Event | str]:
        raise ValueError("no")
        yield

    for items in (broken(), iter(["fine"])):
        job: Job[str] = Job("name", items)
        job.start()
        finish(job)
    assert job.result == "fine"
