from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import torch

from maskaq.config import RunSpec
from maskaq.config.overrides import command_of
from maskaq.config.presets import spec_of
from maskaq.errors import DataError, OptionError
from maskaq.events import Event
from maskaq.models.loading import load_model
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.storage import load_q, save_packed
from maskaq.results import store
from maskaq.results.result import Finished
from maskaq.runs.context import RunContext
from maskaq.runs.environment import working_precision
from maskaq.runs.execute import execute
from maskaq.runs.runner import run, synthesize
from maskaq.synthesis.loop import Samples
from maskaq.synthesis.sources import SOURCES


def test_the_result_is_consistent(small_run: Finished, small_spec: RunSpec) -> None:
    result = small_run.result
    assert result.spec == small_spec
    assert result.evaluated == 150
    for model in (result.fp, result.q):
        assert model.top1_low < model.top1 < model.top1_high
        assert model.top5 >= model.top1
    parts = {name: value for name, value in result.seconds.items() if name != "total"}
    assert set(parts) == {"load", "synthesis", "fit", "evaluation"}
    assert sum(parts.values()) == pytest.approx(result.seconds["total"], abs=0.01)
    assert result.samples["count"] == len(small_run.samples.images) == 4
    assert result.peak_memory_mb > 50


def test_curves_have_every_active_term(small_run: Finished) -> None:
    synthesis = small_run.curves[small_run.curves.stage == "synthesis"]
    assert synthesis.step.tolist() == [1, 2, 3]
    terms = {"one_hot", "tv", "inter_head", "entropy", "align", "mask_ratio"}
    assert terms <= set(synthesis.columns)
    assert synthesis.mask_ratio.iloc[0] == 0.5


def test_the_same_spec_gives_the_same_result(small_run: Finished, small_spec: RunSpec) -> None:
    again = execute(small_spec, progress=False)
    assert torch.equal(again.samples.images, small_run.samples.images)
    state, other = again.q.state_dict(), small_run.q.state_dict()
    assert all(torch.equal(state[name], other[name]) for name in other)
    assert again.result.q == small_run.result.q


def test_another_seed_gives_other_samples(small_run: Finished, small_spec: RunSpec) -> None:
    *_, other = synthesize(replace(small_spec, seed=1))
    assert isinstance(other, Samples)
    assert other.images.shape == small_run.samples.images.shape
    assert not torch.equal(other.images, small_run.samples.images)


@pytest.fixture(scope="module")
def tiny_spec(small_spec: RunSpec) -> RunSpec:
    synthesis = replace(small_spec.synthesis, images=2, steps=2)
    fit = replace(small_spec.fit, backend="minmax", epochs=2, refresh=1, refresh_steps=1)
    return replace(small_spec, synthesis=synthesis, fit=fit, eval_images=20)


@pytest.fixture(scope="module")
def context(tiny_spec: RunSpec) -> RunContext:
    """P and its evaluation images, for all runs of this module."""
    return RunContext.of(tiny_spec)


@pytest.fixture(scope="module", params=list(SOURCES))
def source_run(
    request: pytest.FixtureRequest, tiny_spec: RunSpec, context: RunContext
) -> list[Event | Finished]:
    """The events and the result of one run per source."""
    synthesis = replace(tiny_spec.synthesis, source=request.param)
    return list(run(replace(tiny_spec, synthesis=synthesis), context=context))


def check(items: list[Event | Finished], stages: set[str]) -> Finished:
    *events, finished = items
    assert isinstance(finished, Finished)
    assert all(isinstance(event, Event) for event in events)
    assert {event.stage for event in events if isinstance(event, Event)} >= stages
    assert finished.result.evaluated == 20
    return finished


def test_every_source_works(source_run: list[Event | Finished]) -> None:
    finished = check(source_run, {"load", "synthesis", "fit", "evaluation"})
    assert len(finished.samples.images) == 2


# One source with all back-ends, all sources with the back-end that refreshes its samples, and a
# third of the other pairs: a back-end sees nothing of a source but its images.
PAIRS = [
    pytest.param(
        source,
        backend,
        marks=() if source == "maskaq" or backend == "lsq-kd" else pytest.mark.slow,
    )
    for number, (source, backend) in enumerate(product(SOURCES, BACKENDS))
    if source == "maskaq" or backend == "lsq-kd" or number % 3 == 0
]


@pytest.mark.parametrize("source_run, backend", PAIRS, indirect=["source_run"])
def test_every_back_end_fits_the_samples_of_every_source(
    source_run: list[Event | Finished], context: RunContext, backend: str
) -> None:
    first = check(source_run, set())
    spec = replace(first.result.spec, fit=replace(first.result.spec.fit, backend=backend))
    items = list(run(spec, samples=first.samples, context=context))
    check(items, {"load", "fit", "evaluation"})


def test_real_images_are_never_evaluated_on(
    small_spec: RunSpec, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesis = replace(small_spec.synthesis, source="real", images=6)
    spec = replace(
        small_spec,
        model="vit_tiny_patch16_224",
        weights=str(shared / "models" / "vit_tiny_patch16_224.safetensors"),
        data=str(shared / "data" / "imagenet_sample"),
        synthesis=synthesis,
        eval_images=10,
    )
    from maskaq.models.loading import load_model
    from maskaq.runs.context import load_data

    data = load_data(spec, load_model(spec.model, spec.weights))
    used, _ = data.calibration(6)
    assert len(used) == 6
    assert len(data.images) == 10
    evaluated = {image.numpy().tobytes() for image in data.images}
    assert not evaluated & {image.numpy().tobytes() for image in used}


def test_a_model_without_evaluation_images_asks_for_them(small_spec: RunSpec, shared: Path) -> None:
    weights = str(shared / "models" / "vit_tiny_patch16_224.safetensors")
    spec = replace(small_spec, model="vit_tiny_patch16_224", weights=weights)
    with pytest.raises(DataError, match="pass --data FOLDER"):
        execute(spec, progress=False)


def test_a_missing_device_is_refused(small_spec: RunSpec) -> None:
    with pytest.raises(OptionError, match="'cuda:7' is not available; this machine has cpu"):
        execute(replace(small_spec, device="cuda:7"), progress=False)


def test_precision_is_kept_unless_it_is_automatic() -> None:
    assert working_precision("float32", "cpu") == "float32"
    assert working_precision("bfloat16", "cpu") == "bfloat16"
    assert working_precision("auto", "mps") == "float32"


def test_mixed_precision_keeps_its_average_and_is_stored(tmp_path: Path) -> None:
    spec = spec_of("maskaq", (4, 8))
    spec = replace(
        spec,
        synthesis=replace(spec.synthesis, source="real", images=8),
        fit=replace(spec.fit, backend="mse"),
        quantization=replace(spec.quantization, average_bits=2.75),
        eval_images=50,
    )
    finished = execute(spec, progress=False)
    rows = [row for row in finished.result.tensors if row.role == "weight"]
    p = load_model("scenes_vit").model
    sizes = {row.tensor: p.get_parameter(row.tensor).numel() for row in rows[1:-1]}
    bits = {row.tensor: row.bits for row in rows[1:-1]}
    assert len(set(bits.values())) > 1
    average = sum(sizes[name] * bits[name] for name in bits) / sum(sizes.values())
    assert 2.6 < average <= 2.75
    assert {rows[0].bits, rows[-1].bits} == {8}  # patch embedding and head
    store.save(finished, tmp_path / "run")
    stored = store.read(tmp_path / "run")
    q = load_q(stored.q, p)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(q(images), finished.q(images))
    packed, options = tmp_path / "packed.safetensors", spec.quantization
    save_packed(finished.q, packed, options=options, backend="mse", model="scenes_vit")
    assert torch.equal(load_q(packed, p)(images), finished.q(images))
    assert stored.result.spec.quantization.label == "W2.75A8 mixed"
    assert "--bits W4A8" in command_of(spec)
    assert "--average-bits 2.75" in command_of(spec)
