"""Every task with every source and every back-end, two steps each."""

from dataclasses import replace

import numpy as np
import pytest

from maskaq.config import Coefficients, RunSpec
from maskaq.config.components import BACKENDS, SOURCES
from maskaq.config.options import (
    FitOptions,
    QuantOptions,
    Reconstruction,
    Savings,
    SynthesisOptions,
)
from maskaq.errors import OptionError
from maskaq.results import store, verdicts
from maskaq.results.result import Finished, RunResult
from maskaq.runs.cache import context_of
from maskaq.runs.execute import execute
from maskaq.runs.runner import run

DENSE = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}
EVERY = Coefficients(1.0, 2.5e-5, 1.0, 1.0, 0.1)


def spec_for(task: str, source: str, backend: str, bits: int = 8) -> RunSpec:
    return RunSpec(
        model=DENSE[task],
        synthesis=SynthesisOptions(source=source, images=4, steps=2, coefficients=EVERY),
        quantization=QuantOptions(bits, bits),
        fit=FitOptions(
            backend=backend, epochs=2, reconstruction=Reconstruction(2, 4, 2, tune=2, tune_bits=8)
        ),
        eval_images=24,
        precision="float32",
    )


def done(spec: RunSpec) -> Finished:
    """The run, with P and its answers from a run before."""
    return execute(spec, context=context_of(spec), progress=False)


def check(finished: Finished, task: str) -> None:
    result = finished.result
    assert result.task == task
    assert RunResult.from_json(result.to_json()) == result
    assert result.evaluated == 24
    for name in ("top1", "top5"):
        assert 0 <= getattr(result.q, f"{name}_low") <= getattr(result.q, f"{name}_high") <= 1
    assert len(finished.samples.images) == len(finished.samples.labels) == 4
    evidence = finished.evidence
    assert evidence.draws is not None
    assert evidence.per_class is not None
    assert np.isfinite(evidence.draws).all()
    assert len(evidence.shown) == (len(evidence.apart) > 0)


@pytest.mark.parametrize("task", DENSE)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source(task: str, source: str) -> None:
    finished = done(spec_for(task, source, "minmax"))
    check(finished, task)
    if SOURCES[source].synthesizes:
        losses = finished.curves[finished.curves["stage"] == "synthesis"]["loss"]
        assert np.isfinite(losses).all()
        assert len(losses) == 2


@pytest.mark.parametrize("task", DENSE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_back_end_is_close_to_p_at_eight_bits(task: str, backend: str) -> None:
    finished = done(spec_for(task, "real", backend))
    check(finished, task)
    result = finished.result
    assert abs(result.q.top1 - result.fp.top1) < 0.08
    assert result.agreement > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_pair(source: str, backend: str) -> None:
    number = [*SOURCES].index(source) + [*BACKENDS].index(backend)
    task = [*DENSE][number % 2]  # by turns, which takes half of the time
    check(done(spec_for(task, source, backend, bits=4)), task)


@pytest.mark.parametrize("task", DENSE)
def test_a_stored_run_says_what_its_task_measures(task: str, tmp_path) -> None:
    finished = done(spec_for(task, "noise", "minmax", bits=3))
    store.save(finished, tmp_path / "run")
    stored = store.read(tmp_path / "run")
    metric = {"segmentation": "mIoU", "detection": "AP"}[task]
    sentence = verdicts.of_run(stored)
    assert f"of the {metric}**" in sentence
    assert f"% {metric} on 24 images" in sentence
    change = verdicts.q_minus_p(stored)
    assert change is not None
    assert change.value == pytest.approx(stored.result.q.top1 - stored.result.fp.top1)
    assert change.low <= change.value <= change.high
    assert stored.evidence is not None
    kept, own = stored.evidence.shown, finished.evidence.shown
    assert all(np.array_equal(kept[name], own[name]) for name in own)


@pytest.mark.parametrize("task", DENSE)
def test_a_run_is_repeatable(task: str) -> None:
    spec = spec_for(task, "maskaq", "reconstruct", bits=4)
    first, second = (execute(spec, progress=False) for _ in range(2))
    assert first.samples.images.equal(second.samples.images)
    assert first.result.q == second.result.q


@pytest.mark.parametrize("task", DENSE)
def test_patches_that_the_answer_needs_cannot_be_dropped(task: str) -> None:
    spec = spec_for(task, "maskaq", "minmax")
    dropping = replace(spec.synthesis, savings=Savings(patches=0.5))
    with pytest.raises(OptionError, match=r"savings\.patches is 0\.5.*every patch"):
        list(run(replace(spec, synthesis=dropping)))
