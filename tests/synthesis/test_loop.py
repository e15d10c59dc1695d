import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from maskaq.augment.mixing import combine_frequencies, vary
from maskaq.config import Coefficients, Savings, SynthesisOptions
from maskaq.data.sheet import sheet
from maskaq.errors import OptionError, SynthesisError
from maskaq.events import Event
from maskaq.models import attention as attention_module
from maskaq.models.attention import Maps, attention_modules
from maskaq.models.loading import LoadedModel
from maskaq.synthesis import batch as batch_module
from maskaq.synthesis.loop import Samples, optimise_images, recognised_share, sample_targets

ALL = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
ONE_HOT = Coefficients(one_hot=1.0)
SMALL = SynthesisOptions(images=4, batch=4, steps=3, coefficients=ONE_HOT)


class Q:
    """Makes Q by rounding P's weights, and records its calls."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        self.seen: list[Tensor] = []
        self.models: list[nn.Module] = []

    def __call__(self, images: Tensor) -> nn.Module:
        self.seen.append(images)
        model = copy.deepcopy(self.loaded.model)
        for weight in model.parameters():
            weight.copy_((weight * 16).round() / 16)
        self.models.append(model)
        return model


def synthesize(
    loaded: LoadedModel, options: SynthesisOptions, seed: int = 0, **how: object
) -> tuple[list[Event], Samples]:
    if options.coefficients.align and "make_q" not in how:
        how["make_q"] = Q(loaded)
    items = list(optimise_images(loaded, options, seed=seed, **how))  # type: ignore[arg-type]
    events = [item for item in items[:-1] if isinstance(item, Event)]
    assert len(events) == len(items) - 1
    assert isinstance(items[-1], Samples)
    return events, items[-1]


def test_shapes_of_samples_and_events(scenes_p: LoadedModel) -> None:
    options = replace(SMALL, images=6, batch=4, coefficients=ALL)
    events, samples = synthesize(scenes_p, options)
    assert samples.images.shape == (6, 3, scenes_p.size, scenes_p.size)
    assert samples.images.dtype == torch.uint8
    assert samples.labels.shape == (6,)
    assert [event.step for event in events] == [1, 2, 3, 4, 5, 6]
    assert {event.total for event in events} == {6}
    assert {event.stage for event in events} == {"synthesis"}
    assert not any(event.problem for event in events)
    names = ["align", "entropy", "inter_head", "loss", "mask_ratio", "one_hot", "tv"]
    assert all(sorted(event.metrics) == names for event in events)
    shown = [event.images for event in events if event.images is not None]
    assert {tuple(images.shape[1:]) for images in shown} == {(3, scenes_p.size, scenes_p.size)}
    assert len(samples.history) == 3
    first = (events[0].metrics["one_hot"] + events[3].metrics["one_hot"]) / 2
    assert samples.history[0]["one_hot"] == pytest.approx(first)


def test_loss_is_the_weighted_sum_of_the_terms(scenes_p: LoadedModel) -> None:
    events, _ = synthesize(scenes_p, replace(SMALL, coefficients=ALL))
    for event in events:
        names = ["one_hot", "tv", "inter_head", "entropy", "align"]
        total = sum(getattr(ALL, name) * event.metrics[name] for name in names)
        assert event.metrics["loss"] == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("parametrisation", ["natural", "pixels"])
@pytest.mark.parametrize("reading", ["paper", "released"])
def test_optimisation_lowers_the_loss(
    scenes_p: LoadedModel, parametrisation: str, reading: str
) -> None:
    options = replace(
        SMALL, steps=12, parametrisation=parametrisation, reading=reading, augmentation="none"
    )
    events, samples = synthesize(scenes_p, options)
    assert events[-1].metrics["one_hot"] < 0.8 * events[0].metrics["one_hot"]
    still = synthesize(scenes_p, replace(options, steps=0))[1]
    assert samples.recognised >= still.recognised
    assert not torch.equal(samples.images, still.images)


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_same_seed_same_images(scenes_p: LoadedModel, precision: str) -> None:
    steps = SMALL.steps if precision == "float32" else 3  # slow where it is emulated
    options = replace(SMALL, coefficients=ALL, steps=steps)
    one, two = (synthesize(scenes_p, options, precision=precision)[1] for _ in range(2))
    assert torch.equal(one.images, two.images)
    assert torch.equal(one.labels, two.labels)
    assert one.history == two.history
    other = synthesize(scenes_p, options, seed=1, precision=precision)[1]
    assert not torch.equal(one.images, other.images)


def test_precision_changes_the_images_a_little(scenes_p: LoadedModel) -> None:
    full, half = (synthesize(scenes_p, SMALL, precision=p)[1] for p in ("float32", "bfloat16"))
    difference = (full.images.float() - half.images.float()).abs()
    assert 0 < difference.mean() < 12


def test_an_image_does_not_depend_on_how_many_are_made(scenes_p: LoadedModel) -> None:
    few = synthesize(scenes_p, replace(SMALL, images=2, batch=2))[1]
    many = synthesize(scenes_p, replace(SMALL, images=5, batch=2))[1]
    assert torch.equal(many.images[:2], few.images)
    assert len(many.images) == 5


def test_p_is_unchanged_and_needs_no_gradient(scenes_p: LoadedModel) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    q = Q(scenes_p)
    synthesize(scenes_p, replace(SMALL, coefficients=ALL), make_q=q)
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    for model in (scenes_p.model, *q.models):
        assert all(p.grad is None for p in model.parameters())
    assert all(block.fused_attn for block in attention_modules(scenes_p.model))


def test_recorder_is_removed_after_an_exception(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[nn.Module] = []
    original = VisionTransformer.forward

    def fails_at_q(model: VisionTransformer, images: Tensor) -> Tensor:
        recorded.append(model)
        assert all("forward" in vars(m) for m in attention_modules(model))
        if len(recorded) == 4:  # Q in the second step
            raise RuntimeError("stop")
        return original(model, images)

    q = Q(scenes_p)
    monkeypatch.setattr(VisionTransformer, "forward", fails_at_q)
    run = optimise_images(scenes_p, replace(SMALL, coefficients=ALL), seed=0, make_q=q)
    assert isinstance(next(run), Event)
    with pytest.raises(RuntimeError, match="stop"):
        next(run)
    assert len({id(model) for model in recorded}) == 2
    for model in (scenes_p.model, *recorded):
        assert not any("forward" in vars(m) for m in attention_modules(model))
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_recorder_is_only_used_if_a_term_needs_maps(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[nn.Module] = []
    original = attention_module.observe

    def counted(module: nn.Module, *inputs: Any) -> tuple[Tensor, Maps]:
        passes.append(module)
        return original(module, *inputs)

    monkeypatch.setattr(attention_module, "observe", counted)
    expected = {"one_hot": 0, "tv": 0, "inter_head": 3, "entropy": 3, "align": 6}
    for name, count in expected.items():
        passes.clear()
        synthesize(
            scenes_p, replace(SMALL, coefficients=Coefficients(**{"one_hot": 0.0, name: 1.0}))
        )
        assert len(passes) == count * len(attention_modules(scenes_p.model)), name


def test_q_is_made_once_per_batch_when_alignment_begins(scenes_p: LoadedModel) -> None:
    options = replace(SMALL, images=6, batch=4, steps=4, coefficients=ALL, align_from=0.5)
    q = Q(scenes_p)
    events, _ = synthesize(scenes_p, options, make_q=q)
    assert [len(images) for images in q.seen] == [4, 2]
    assert ["align" in event.metrics for event in events] == [False, False, True, True] * 2
    assert [event.metrics.get("mask_ratio") for event in events[:4]] == [
        None,
        None,
        pytest.approx(0.3),
        pytest.approx(0.2),
    ]
    still = synthesize(scenes_p, replace(options, steps=0))[1]
    assert not torch.equal(q.seen[0], scenes_p.normalise(still.images[:4]))  # not the initial ones
    without = Q(scenes_p)
    synthesize(scenes_p, SMALL, make_q=without)
    assert not without.seen


def test_images_do_not_change_before_alignment_alone_begins(scenes_p: LoadedModel) -> None:
    alone = Coefficients(one_hot=0.0, align=1.0)
    options = replace(SMALL, steps=4, coefficients=alone, align_from=0.5, augmentation="none")
    q = Q(scenes_p)
    events, samples = synthesize(scenes_p, options, make_q=q)
    still = synthesize(scenes_p, replace(options, steps=0))[1]
    assert (scenes_p.normalise(still.images) - q.seen[0]).abs().max() < 0.01
    assert not torch.equal(samples.images, still.images)
    assert events[0].metrics == {"loss": 0.0}


def test_every_term_changes_the_images(scenes_p: LoadedModel) -> None:
    plain = synthesize(scenes_p, SMALL)[1]
    changes = (Coefficients(align=1.0), Coefficients(entropy=1.0), Coefficients(inter_head=1.0))
    for changed in changes:
        other = synthesize(scenes_p, replace(SMALL, coefficients=changed))[1]
        assert not torch.equal(other.images, plain.images)


@pytest.mark.parametrize("name", ["natural", "pixels"])
@pytest.mark.parametrize("reading", ["paper", "released"])
def test_nan_image_is_excluded_and_the_others_are_not_affected(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch, name: str, reading: str
) -> None:
    options = replace(SMALL, images=7, steps=4, parametrisation=name, reading=reading)
    whole = synthesize(scenes_p, options)[1]
    original = batch_module.Batch._update

    def poisoned(batch: batch_module.Batch, loss: Tensor, step: int) -> None:
        original(batch, loss, step)
        if step == 1 and len(batch.failed) == 3:  # the second batch
            with torch.no_grad():
                batch._parametrisation.parameters()[0][1] = torch.nan

    monkeypatch.setattr(batch_module.Batch, "_update", poisoned)
    events, samples = synthesize(scenes_p, options)
    problems = {event.step: event.problem for event in events if event.problem}
    assert list(problems) == [6]
    assert problems[6].startswith("image 5 is no longer finite")
    assert len(events) == 8
    kept = [0, 1, 2, 3, 4, 6]
    assert torch.equal(samples.images, whole.images[kept])
    assert torch.equal(samples.labels, whole.labels[kept])
    assert all(len(value) == 6 for value in samples.state.values())
    values = [value for event in events for value in event.metrics.values()]
    assert torch.tensor(values).isfinite().all()


def test_failure_in_the_last_step_is_reported_too(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = batch_module.Batch._update

    def poisoned(batch: batch_module.Batch, loss: Tensor, step: int) -> None:
        original(batch, loss, step)
        if step == 2:
            with torch.no_grad():
                batch._parametrisation.parameters()[0][:2] = torch.inf

    monkeypatch.setattr(batch_module.Batch, "_update", poisoned)
    events, samples = synthesize(scenes_p, SMALL)
    problems = [event.problem for event in events if event.problem]
    assert [problem[:27] for problem in problems] == ["images 0, 1 are no longer f"]
    assert len(samples.images) == 2


def test_failure_of_all_images_is_an_error(scenes_p: LoadedModel) -> None:
    first = synthesize(scenes_p, SMALL)[1]
    broken = {name: torch.full_like(value, torch.nan) for name, value in first.state.items()}
    start = replace(first, state=broken)
    run = optimise_images(scenes_p, SMALL, seed=0, start=start)
    event = next(run)
    assert isinstance(event, Event)
    assert event.problem.startswith("images 0, 1, 2, 3 are")
    with pytest.raises(SynthesisError, match=r"no image is left.*smaller lr"):
        next(run)


@pytest.mark.parametrize("name", ["natural", "pixels"])
def test_refresh_continues_from_the_samples(scenes_p: LoadedModel, name: str) -> None:
    options = replace(SMALL, images=5, batch=2, parametrisation=name)
    first = synthesize(scenes_p, options)[1]
    same = synthesize(scenes_p, replace(options, steps=0), start=first)[1]
    assert (same.images.int() - first.images.int()).abs().max() <= 1
    further = synthesize(scenes_p, replace(options, images=99), seed=7, start=first)[1]
    assert torch.equal(further.labels, first.labels)
    assert len(further.images) == 5
    moved = (further.images.float() - first.images.float()).abs().mean()
    fresh = synthesize(scenes_p, options, seed=7)[1].images.float()
    assert 0 < moved < (fresh - first.images.float()).abs().mean() / 2


def test_labels_cover_all_classes_before_any_is_repeated(scenes_p: LoadedModel) -> None:
    labels = sample_targets(scenes_p, 25, seed=3)
    assert labels[:10].sort().values.tolist() == list(range(10))
    assert labels[10:20].sort().values.tolist() == list(range(10))
    assert torch.equal(sample_targets(scenes_p, 12, seed=3), labels[:12])
    assert not torch.equal(sample_targets(scenes_p, 25, seed=4), labels)


def test_recognised_is_the_share_of_right_labels(scenes_p: LoadedModel) -> None:
    images = torch.randint(0, 256, (70, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    with torch.no_grad():
        labels = scenes_p.model(scenes_p.normalise(images)).argmax(-1)
    assert recognised_share(scenes_p, images, labels) == 1
    labels[:35] = (labels[:35] + 1) % 10
    assert recognised_share(scenes_p, images, labels) == 0.5
    _, samples = synthesize(scenes_p, replace(SMALL, steps=8, augmentation="none"))
    assert samples.recognised == recognised_share(scenes_p, samples.images, samples.labels)


@pytest.mark.parametrize(
    "coefficients, message",
    [(Coefficients(one_hot=0), "all coefficients are 0"), (Coefficients(align=2), "align is 2")],
)
def test_settings_that_cannot_work_are_refused(
    scenes_p: LoadedModel, coefficients: Coefficients, message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        next(optimise_images(scenes_p, replace(SMALL, coefficients=coefficients), seed=0))


def test_images_need_not_be_square() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=(32, 48), patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5
    )
    config = {"input_size": (3, 32, 48), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    loaded = LoadedModel(
        "wide", model.eval().requires_grad_(False), config, tuple("abcde"), (4, 6), 1
    )
    for name, changes in {
        "natural": {},
        "pixels": {"parametrisation": "pixels", "augmentation": "released"},
        "coarse": {"savings": Savings(coarse=0.5), "augmentation": "easy-to-hard"},
    }.items():
        _, samples = synthesize(loaded, replace(SMALL, coefficients=ALL, **changes))
        assert samples.images.shape[1:] == (3, 32, 48), name
        assert samples.images.float().std() > 5
    views = vary(samples.images, torch.Generator().manual_seed(0))
    mixed = combine_frequencies(samples.images, views, torch.Generator().manual_seed(0))
    assert mixed.shape == views.shape == samples.images.shape
    assert sheet(samples.images.numpy()).size[0] > sheet(samples.images.numpy()).size[1]
