from dataclasses import replace

import pytest

from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.runs import estimate as estimate_module
from maskaq.runs.estimate import Cost, estimate, total


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate_module, "_EVALUATED", 20)


def tiny(method: str = "mimiq", backend: str = "minmax", **changes: object) -> RunSpec:
    spec = spec_of(method)
    synthesis = replace(spec.synthesis, **({"images": 4, "batch": 2, "steps": 50} | changes))
    fit = replace(spec.fit, backend=backend)
    return replace(spec, synthesis=synthesis, fit=fit, precision="float32")


def test_costs_grow_with_the_settings() -> None:
    measured: list[str] = []
    specs = [
        tiny(),
        replace(tiny(), seed=1),
        tiny(steps=500),
        replace(tiny(images=400), seed=2),
        tiny(backend="lsq-kd"),
        replace(tiny(source="noise"), eval_images=50),
    ]
    one, again, longer, more, shared, noise = estimate(specs, measured.append)
    assert one.image_steps == again.image_steps == 200
    assert one.synthesis == again.synthesis > 0
    assert longer.synthesis == pytest.approx(10 * one.synthesis)
    assert more.synthesis == pytest.approx(100 * one.synthesis)
    assert (shared.synthesis, shared.image_steps) == (0, 0)  # it shares the samples of the first
    assert (noise.synthesis, noise.image_steps) == (0, 0)
    assert shared.fit > one.fit
    assert noise.evaluation == pytest.approx(one.evaluation / 100)
    # Each kind is measured once.
    assert measured == [
        "scenes_vit: samples of mimiq",
        "scenes_vit: back-end minmax",  # with 4 images
        "scenes_vit: back-end minmax",  # with 16, for the run with 400
        "scenes_vit: back-end lsq-kd",
    ]


@pytest.mark.slow
def test_longer_training_costs_more() -> None:
    spec = tiny(backend="lsq-kd")
    longer = replace(spec, fit=replace(spec.fit, epochs=10 * spec.fit.epochs))
    refreshed = replace(spec, fit=replace(spec.fit, refresh=5, refresh_steps=50))
    a, b, c = estimate([spec, longer, refreshed])
    assert b.fit > 2 * a.fit
    assert c.fit > a.fit
    block = tiny(backend="reconstruct")
    once = replace(block.fit.reconstruction, steps=40, batch=4, views=2)
    more = replace(once, steps=10 * once.steps)
    tuned = replace(once, tune=10 * once.steps, tune_bits=4)
    a, b, c = estimate(
        [replace(block, fit=replace(block.fit, reconstruction=r)) for r in (once, more, tuned)]
    )
    assert b.fit > 2 * a.fit
    assert c.fit > 2 * a.fit


def test_the_largest_part_limits_many_machines() -> None:
    specs = [tiny(), tiny()]  # two batches each
    cost = total(specs, [Cost(20, 1, 2, 200, 700), Cost(0, 4, 2, 0, 900)])
    assert cost.seconds == 29
    assert cost.image_steps == 200
    assert cost.memory_mb == 900
    assert [cost.on(machines) for machines in (1, 2, 4)] == [29, 14.5, 10]
