"""A run that is stopped and resumed gives the same bits as an uninterrupted one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from maskaq.checkpoints import InFolder
from maskaq.cli import main
from maskaq.config import Reconstruction, RunSpec
from maskaq.config.parsing import Every
from maskaq.config.presets import spec_of
from maskaq.results import listing
from maskaq.results.result import Finished
from maskaq.runs import checkpointing
from maskaq.runs.runner import run

VARYING = ("seconds", "created", "peak_memory_mb")  # fields not determined by the settings


def small(method: str = "maskaq-paper", **fit: object) -> RunSpec:
    """Two batches, alignment from 40 % of the steps, a refresh after the second training epoch."""
    spec = spec_of(method)
    synthesis = replace(spec.synthesis, images=6, batch=4, steps=5, align_from=0.4)
    values = {"epochs": 4, "batch": 4, "refresh": 2, "refresh_steps": 2, "backend": "lsq-kd"} | fit
    return replace(
        spec,
        synthesis=synthesis,
        fit=replace(spec.fit, **values),
        eval_images=40,
        precision="float32",
    )


def until(items: Iterator[object], step: int) -> None:
    """Advance a run by `step` events, then stop it as Ctrl-C would."""
    for number, item in enumerate(items, 1):
        assert not isinstance(item, Finished), "the run ended before it could be stopped"
        if number == step:
            break
    items.close()


def complete(spec: RunSpec, **how: object) -> Finished:
    *_, last = run(spec, **how)
    assert isinstance(last, Finished)
    return last


def assert_same(a: Finished, b: Finished) -> None:
    results = [json.loads(one.result.to_json()) for one in (a, b)]
    for result in results:
        for name in VARYING:
            del result[name]
    assert results[0] == results[1]
    columns = [name for name in a.curves if name != "seconds"]
    pd.testing.assert_frame_equal(a.curves[columns], b.curves[columns], check_exact=True)
    states = a.q.state_dict(), b.q.state_dict()
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert torch.equal(a.samples.images, b.samples.images)
    assert torch.equal(a.samples.labels, b.samples.labels)
    assert a.samples.history == b.samples.history
    assert a.evidence.steps == b.evidence.steps
    assert all((x == y).all() for x, y in zip(a.evidence.frames, b.evidence.frames, strict=True))


@pytest.fixture(scope="module")
def uninterrupted() -> Finished:
    return complete(small())


# Events: 1 load, 10 of two batches; in the fit 4 steps, 4 of a refresh, 4 more steps.
@pytest.mark.slow
def test_a_run_stopped_at_any_event_gives_the_same_result(
    uninterrupted: Finished, tmp_path: Path
) -> None:
    def checkpoints() -> InFolder:
        return InFolder(tmp_path / "c", {}, every=Every(steps=1))

    for stop in (3, 8, 14, 21):
        until(run(small(), checkpoints=checkpoints()), stop)
        assert stop < 3 or checkpoints().found
    assert_same(complete(small(), checkpoints=checkpoints()), uninterrupted)


@pytest.mark.slow
def test_checkpointed_steps_are_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskaq.synthesis.batch import Batch

    steps = []
    advance = Batch.advance
    monkeypatch.setattr(Batch, "advance", lambda s, n: steps.append(n) or advance(s, n))
    for stop in (9, 13):  # a checkpoint is written when the event after it is requested
        until(run(small(), checkpoints=InFolder(tmp_path, {}, every=Every(steps=1))), stop)
    assert steps == [0, 1, 2, 3, 4, 0, 1, 2, 2, 3, 4]


@pytest.mark.parametrize("method", ["sardfq", "psaq-vit"])
def test_other_sources_resume(tmp_path: Path, method: str) -> None:
    spec = small(method, backend="minmax")
    until(run(spec, checkpoints=InFolder(tmp_path, {}, every=Every(steps=1))), 8)
    resumed = complete(spec, checkpoints=InFolder(tmp_path, {}, every=Every(steps=1)))
    assert_same(resumed, complete(spec))


@pytest.mark.slow
def test_reconstruction_resumes(tmp_path: Path) -> None:
    short = Reconstruction(steps=2, batch=4, views=2, tune=4, tune_bits=4)
    spec = small("maskaq", backend="reconstruct", reconstruction=short)
    spec = replace(spec, synthesis=replace(spec.synthesis, steps=5, source="mimiq"))
    # Events: 1 load, 10 of two batches, 3 of each of 6 blocks, 4 of finetuning all of Q.
    for stop, state in ((16, "reconstruct"), (32, "tuning")):
        until(run(spec, checkpoints=InFolder(tmp_path, {}, every=Every(steps=1))), stop)
        assert (tmp_path / f"{state}.pt").is_file()
    assert_same(
        complete(spec, checkpoints=InFolder(tmp_path, {}, every=Every(steps=1))), complete(spec)
    )


def test_another_spec_restarts(tmp_path: Path) -> None:
    spec = small(backend="minmax")
    until(
        run(spec, checkpoints=checkpointing.checkpoints(spec, tmp_path / "run", Every(steps=1))), 5
    )
    assert checkpointing.checkpoints(spec, tmp_path / "run", Every()).found
    assert not checkpointing.checkpoints(replace(spec, seed=1), tmp_path / "run", Every()).found


@pytest.mark.slow
def test_after_a_kill_the_same_command_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [sys.executable, "-m", "maskaq", "run", "--method", "mimiq", "--backend", "lsq-kd"]
    words += ["--images", "4", "--steps", "30", "--eval-images", "40", "--checkpoint", "2"]
    words += ["--set", "fit.epochs=12", "--set", "fit.batch=4", "--out"]
    out = tmp_path / "run"
    place = checkpointing.folder_for(out)
    same = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # as here
    for state in ("batch0", "lsq-kd"):
        with subprocess.Popen([*words, str(out)], env=same, stderr=subprocess.DEVNULL) as child:
            deadline = time.monotonic() + 120
            while not (place / f"{state}.pt").is_file():
                assert child.poll() is None, "the run ended before it could be killed"
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(child.pid, signal.SIGKILL)
        (entry,) = listing.entries(tmp_path)
        assert entry.state == listing.UNFINISHED
        assert "resume it with: python -m maskaq run" in entry.problem
        assert str(out) in entry.problem
    assert main([*words[3:], str(out)]) == 0
    assert "resuming the run from its last checkpoint" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert main([*words[3:], str(tmp_path / "other")]) == 0
    for name in ("q.safetensors", "samples.safetensors"):
        resumed, expected = load_file(out / name), load_file(tmp_path / "other" / name)
        assert resumed.keys() == expected.keys()
        assert all(torch.equal(value, expected[key]) for key, value in resumed.items())
