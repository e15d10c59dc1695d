"""Measured numbers in README and docs."""

from dataclasses import replace

import pytest

from benchmarks import default_run as script
from benchmarks import numbers
from maskaq.precomputed import default_run


@pytest.fixture
def run():
    found = default_run.measured()
    assert found is not None
    return found


def test_only_marked_blocks_are_replaced(monkeypatch):
    monkeypatch.setitem(numbers.FRAGMENTS, "one", lambda: "new")
    text = "before\n<!-- numbers:one -->\nold\n\nold\n<!-- /numbers -->\nafter\n"
    filled = text.replace("old\n\nold", "new")
    assert numbers.fill(text) == filled
    assert numbers.fill(filled) == filled
    assert numbers.fill(text.replace("old\n\nold\n", "")) == filled
    assert numbers.fill("no block") == "no block"


def test_a_block_with_an_unknown_name_is_an_error():
    with pytest.raises(KeyError, match="two"):
        numbers.fill("<!-- numbers:two -->\n<!-- /numbers -->\n")


def test_other_work_on_the_machine_is_mentioned(run):
    assert numbers.where(replace(run, load=0.2)).endswith(numbers.day(run.created))
    assert numbers.where(replace(run, load=3.0)).endswith("load average 3.0 before the run")


def test_every_measured_method_and_every_stored_run_has_a_row():
    assert len(numbers.methods().splitlines()) == 2 + len(default_run.read())
    for model in ("scenes_vit", "scenes_swin"):
        assert len(numbers.every_run(model).splitlines()) == 2 + len(numbers.stored(model))
        assert len(numbers.by_bits(model).splitlines()) == 2 + len(numbers.SOURCES)


def test_a_run_is_measured_through_the_command_line(monkeypatch):
    def fake(command, **how):
        assert command[1:4] == ["-m", "maskaq", "run"]
        share = {"top1": 0.5, "top1_low": 0.4, "top1_high": 0.6}
        result = {"fp": share, "q": share, "agreement": 0.9, "evaluated": 10, "device": "cpu"}
        result |= {"seconds": {"total": 1.0}, "versions": {}, "created": "2026-11-29T00:00:00"}
        return type("Done", (), {"stdout": script.json.dumps(result)})()

    monkeypatch.setattr(script.subprocess, "run", fake)
    run = script.measure("mimiq", "W3A3")
    assert run.command == (
        "python -m maskaq run --model scenes_vit --bits W3A3 --method mimiq --seed 0"
    )
    assert (run.q, run.q_low, run.n, run.stages) == (0.5, 0.4, 10, {"total": 1.0})
