import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import Coefficients, Savings, SynthesisOptions
from maskaq.errors import DataError, OptionError
from maskaq.events import Event
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.loop import Samples
from maskaq.synthesis.sources import SOURCES
from maskaq.synthesis.terms.objectives import OBJECTIVES, StepState

COEFFICIENTS = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
OPTIONS = SynthesisOptions(images=3, batch=2, steps=2, coefficients=COEFFICIENTS)


def calibration(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    images = torch.randint(0, 256, (count, 3, 64, 64), generator=generator).to(torch.uint8)
    return images, torch.arange(count) % 10


def samples_of(
    name: str, loaded: LoadedModel, start: Samples | None = None, seed: int = 0
) -> tuple[list[Event], Samples]:
    def make_q(images: Tensor) -> nn.Module:
        return copy.deepcopy(loaded.model)

    items = list(
        SOURCES[name](
            loaded, OPTIONS, seed=seed, make_q=make_q, calibration=calibration, start=start
        )
    )
    assert isinstance(items[-1], Samples)
    return [item for item in items if isinstance(item, Event)], items[-1]


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_makes_samples(name: str, scenes_p: LoadedModel) -> None:
    events, samples = samples_of(name, scenes_p)
    assert samples.images.shape == (3, 3, 64, 64)
    assert samples.images.dtype == torch.uint8
    assert samples.labels.shape == (3,)
    assert samples.labels.dtype == torch.int64
    assert 0 <= samples.recognised <= 1
    assert events[-1].step == events[-1].total
    assert any(event.images is not None for event in events)
    again = samples_of(name, scenes_p)[1]
    assert torch.equal(samples.images, again.images)
    assert torch.equal(samples.labels, again.labels)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_continues_from_its_own_samples(name: str, scenes_p: LoadedModel) -> None:
    first = samples_of(name, scenes_p)[1]
    again = samples_of(name, scenes_p, start=first, seed=1)[1]
    assert torch.equal(again.labels, first.labels)
    assert torch.equal(again.images, first.images) == (name in ("noise", "real"))


def test_all_sources_are_registered() -> None:
    assert set(SOURCES) == {"noise", "maskaq", "mimiq", "psaq", "sardfq", "e2h", "real"}
    with pytest.raises(OptionError, match="did you mean 'maskaq'"):
        SOURCES["maskq"]


def test_mimiq_is_maskaq_without_entropy_and_alignment(scenes_p: LoadedModel) -> None:
    mimiq = list(SOURCES["mimiq"](scenes_p, OPTIONS, seed=0))  # needs no Q
    fewer = replace(OPTIONS, coefficients=replace(COEFFICIENTS, entropy=0.0, align=0.0))
    maskaq = list(SOURCES["maskaq"](scenes_p, fewer, seed=0))
    assert isinstance(mimiq[0], Event)
    assert sorted(mimiq[0].metrics) == ["inter_head", "loss", "one_hot", "tv"]
    assert isinstance(mimiq[-1], Samples)
    assert isinstance(maskaq[-1], Samples)
    assert torch.equal(mimiq[-1].images, maskaq[-1].images)


@pytest.mark.parametrize(
    "name, terms",
    [
        ("psaq", {"one_hot", "patch_entropy", "tv_target"}),
        ("sardfq", {"tv", "soft_label", "attention_prior"}),
        ("e2h", {"one_hot", "tv"}),
    ],
)
def test_a_source_forces_its_own_terms(name: str, terms: set[str], scenes_p: LoadedModel) -> None:
    results = []
    for coefficients in (COEFFICIENTS, Coefficients(one_hot=0.0)):  # needs no Q
        options = replace(OPTIONS, coefficients=coefficients, parametrisation="pixels")
        events = list(SOURCES[name](scenes_p, options, seed=0))
        assert isinstance(events[0], Event)
        assert set(events[0].metrics) == terms | {"loss"}
        assert isinstance(events[-1], Samples)
        results.append(events[-1].images)
    assert torch.equal(*results)


@pytest.mark.parametrize("name", ["psaq", "sardfq", "e2h"])
def test_a_source_uses_the_other_options(name: str, scenes_p: LoadedModel) -> None:
    def images(**changes: object) -> Tensor:
        options = replace(OPTIONS, **changes)  # type: ignore[arg-type]
        samples = list(SOURCES[name](scenes_p, options, seed=0))[-1]
        assert isinstance(samples, Samples)
        return samples.images

    usual = images()
    assert len(images(images=2)) == 2
    changes = [{"lr": 0.2}, {"steps": 1}, {"parametrisation": "pixels"}]
    if name != "e2h":  # its augmentation is the method
        changes.append({"augmentation": "none"})
    for change in changes:
        assert not torch.equal(images(**change), usual)


def test_synthesizing_sources_support_every_saving(scenes_p: LoadedModel) -> None:
    savings = Savings(blocks=0.5, queries=0.5, coarse=0.25, patches=0.5, patches_from=0.5)
    for name in ("psaq", "sardfq", "e2h"):
        options = replace(OPTIONS, steps=4, savings=savings)
        samples = list(SOURCES[name](scenes_p, options, seed=0))[-1]
        assert isinstance(samples, Samples)
        assert len(samples.images) == 3


def test_sardfq_shows_crops_with_their_labels(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over ten steps about half of the images are uncropped and have the label of the samples."""
    states: list[StepState] = []
    soft = OBJECTIVES["soft_label"]

    def recorded(state: StepState) -> Tensor:
        states.append(state)
        return soft(state)

    monkeypatch.setitem(OBJECTIVES, "soft_label", recorded)
    options = replace(OPTIONS, images=4, batch=4, steps=10)
    samples = list(SOURCES["sardfq"](scenes_p, options, seed=0))[-1]
    assert isinstance(samples, Samples)
    shares = [state.uncropped for state in states if state.uncropped is not None]
    assert len(shares) == 10
    assert 0.25 < torch.stack(shares).float().mean() < 0.75
    others = set()
    for state, uncropped in zip(states, shares, strict=True):
        assert torch.equal(state.labels[uncropped], samples.labels[uncropped])
        others |= set((state.labels != samples.labels)[~uncropped].tolist())
    assert True in others


def test_noise_is_clamped_normal_noise(scenes_p: LoadedModel) -> None:
    events, samples = samples_of("noise", scenes_p)
    assert len(events) == 1
    values = scenes_p.normalise(samples.images)
    inside = values.abs() < 0.999  # valid pixels are -1..1 here
    assert inside.float().mean().item() == pytest.approx(0.683, abs=0.01)
    assert values.mean().item() == pytest.approx(0, abs=0.02)
    other = samples_of("noise", scenes_p, seed=1)[1]
    assert not torch.equal(samples.images, other.images)


def test_real_returns_the_calibration_images(scenes_p: LoadedModel) -> None:
    samples = samples_of("real", scenes_p)[1]
    images, labels = calibration(3)
    assert torch.equal(samples.images, images)
    assert torch.equal(samples.labels, labels)
    with pytest.raises(DataError, match="pass --data FOLDER"):
        list(SOURCES["real"](scenes_p, OPTIONS, seed=0))
