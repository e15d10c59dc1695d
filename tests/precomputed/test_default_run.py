"""The stored measurements of methods: one per method and number format, read without torch."""

from dataclasses import replace

import pytest

from maskaq.errors import RunError
from maskaq.precomputed import default_run
from maskaq.precomputed.default_run import MeasuredRun

RUN = MeasuredRun(
    command="python -m maskaq run",
    method="maskaq",
    bits="W4A4",
    seconds=50.0,
    stages={"load": 1.0, "total": 45.0},
    p=0.87,
    p_low=0.86,
    p_high=0.88,
    q=0.86,
    q_low=0.85,
    q_high=0.87,
    agreement=0.97,
    n=5000,
    device="cpu: test, 2 threads",
    cores=2,
    load=0.1,
    versions={"maskaq": "0.0"},
    created="2026-11-29T01:00:00+00:00",
)


def test_what_was_written_is_read(tmp_path):
    path = tmp_path / "runs.json"
    default_run.write([RUN], path)
    assert default_run.read(path) == [RUN]
    assert default_run.measured(path=path) == RUN
    assert default_run.measured("mimiq", path=path) is None


def test_a_new_measurement_replaces_the_old_one(tmp_path):
    path = tmp_path / "runs.json"
    default_run.write([RUN, replace(RUN, bits="W3A3")], path)
    default_run.write([replace(RUN, seconds=40.0)], path)
    assert [(run.bits, run.seconds) for run in default_run.read(path)] == [
        ("W4A4", 40.0),
        ("W3A3", 50.0),
    ]


def test_without_a_file_nothing_was_measured(tmp_path):
    assert default_run.read(tmp_path / "missing.json") == []


@pytest.mark.parametrize("text", ["{", "[1]", '[{"method": "maskaq"}]'])
def test_a_damaged_file_names_the_command_that_writes_it(tmp_path, text):
    path = tmp_path / "runs.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"run `python -m benchmarks\.default_run` again"):
        default_run.read(path)


def test_the_default_run_ships():
    run = default_run.measured()
    assert run is not None
    assert run.p_low < run.p < run.p_high
    assert run.q_low < run.q < run.q_high
    assert run.seconds > run.stages["total"]
