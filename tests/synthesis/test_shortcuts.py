from dataclasses import replace
from statistics import pstdev

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

from maskaq.config import Coefficients, Savings, SynthesisOptions
from maskaq.errors import OptionError
from maskaq.events import Event
from maskaq.models.attention import attention_modules, record
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.context import SynthesisContext, private_copy
from maskaq.synthesis.loop import Samples, optimise_images
from maskaq.synthesis.shortcuts import (
    PatchDropping,
    StepPlan,
    halve_input_size,
    most_attended_patches,
    plan_step,
    random_subset,
)
from maskaq.synthesis.terms.head_similarity import patch_maps
from maskaq.synthesis.terms.objectives import inter_head

ALL = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
OPTIONS = SynthesisOptions(images=3, batch=3, steps=4, coefficients=ALL)


def run(loaded: LoadedModel, savings: Savings) -> tuple[list[Event], Samples]:
    items = list(
        optimise_images(
            loaded, replace(OPTIONS, savings=savings), seed=0, make_q=lambda _: loaded.model
        )
    )
    assert isinstance(items[-1], Samples)
    return [item for item in items if isinstance(item, Event)], items[-1]


def test_steps_follow_the_plan() -> None:
    savings = Savings(align_every=3, coarse=0.2, patches=0.5, patches_from=0.6)
    options = replace(OPTIONS, steps=10, savings=savings)
    plans = [plan_step(options, step) for step in range(10)]
    assert [step for step, plan in enumerate(plans) if plan.coarse] == [0, 1]
    assert [step for step, plan in enumerate(plans) if plan.align] == [2, 5, 8]
    assert [step for step, plan in enumerate(plans) if plan.drop_patches] == [6, 7, 8, 9]
    assert {plan_step(OPTIONS, step) for step in range(4)} == {StepPlan(False, True, False)}


def test_alignment_begins_after_the_coarse_steps_and_after_align_from() -> None:
    options = replace(OPTIONS, steps=10, align_from=0.5, savings=Savings(coarse=0.2))
    assert [step for step in range(10) if plan_step(options, step).align] == [5, 6, 7, 8, 9]


@pytest.mark.parametrize(
    "savings",
    [
        Savings(align_every=2),
        Savings(blocks=0.5),
        Savings(queries=0.3),
        Savings(coarse=0.5),
        Savings(patches=0.4, patches_from=0.25),
        Savings(2, 0.5, 0.5, 0.25, 0.5, 0.5),
    ],
)
def test_every_saving_changes_the_images(scenes_p: LoadedModel, savings: Savings) -> None:
    events, samples = run(scenes_p, savings)
    assert samples.images.shape == (3, 3, scenes_p.size, scenes_p.size)
    assert not torch.equal(samples.images, run(scenes_p, Savings())[1].images)
    assert torch.equal(samples.images, run(scenes_p, savings)[1].images)
    values = torch.tensor([value for event in events for value in event.metrics.values()])
    assert values.isfinite().all()
    aligned = [event.step - 1 for event in events if "align" in event.metrics]
    options = replace(OPTIONS, savings=savings)
    assert aligned == [step for step in range(4) if plan_step(options, step).align]


def test_random_subsets_are_sorted_and_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [tuple(random_subset(0.5, 12, generator)) for _ in range(50)]
    assert all(len(part) == 6 and list(part) == sorted(set(part)) for part in parts)
    assert len(set(parts)) > 40
    counts = torch.tensor([one for part in parts for one in part]).bincount(minlength=12)
    assert counts.min() > 10  # of 25 expected
    assert random_subset(0.01, 12, generator) != []
    assert random_subset(1, 3, generator) == [0, 1, 2]


def test_gradient_of_the_rows_of_some_queries() -> None:
    full = torch.rand(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    queries = torch.tensor([0, 3])
    rows = patch_maps(full, 1, queries)
    assert torch.equal(rows, full[:, :, 1:, 1:][:, :, queries])
    assert torch.autograd.gradcheck(lambda x: patch_maps(x, 1, queries), (full,))


def test_a_random_subset_of_the_queries_keeps_the_expected_value(scenes_p: LoadedModel) -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(1, 3, 64, 64, generator=generator).pow(4)
    whole = inter_head([maps]).item()
    parts = [
        inter_head([maps[:, :, random_subset(0.25, 64, generator)]]).item() for _ in range(200)
    ]
    assert sum(parts) / 200 == pytest.approx(whole, abs=3 * pstdev(parts) / 200**0.5)


def test_p_drops_the_least_attended_patches_and_q_the_same_ones(scenes_p: LoadedModel) -> None:
    options = replace(OPTIONS, savings=Savings(patches=0.25))
    context = SynthesisContext.of(scenes_p, options, make_q=lambda _: scenes_p.model)
    images = torch.randn(2, 3, scenes_p.size, scenes_p.size)
    patches = (scenes_p.size // 8) ** 2
    with torch.no_grad():
        _, maps, kept = context.run_recorded(context.model, images, drop_patches=True)
        _, full, nothing = context.run_recorded(context.model, images, drop_patches=False)
        assert nothing is None
        assert kept is not None
        of_q = context.maps(context.quantized(images), images, len(maps), kept)
    depth = context.dropping.depth  # type: ignore[union-attr]
    assert kept.shape == (2, patches // 4)
    assert torch.equal(kept, most_attended_patches(full[:depth], scenes_p.prefix, 0.25))
    sizes = [block.probs.shape[-1] - scenes_p.prefix for block in maps]
    assert sizes == [patches] * depth + [patches // 4] * (len(maps) - depth)
    for one, other in zip(maps, of_q, strict=True):
        torch.testing.assert_close(one.probs, other.probs)


def test_every_patch_is_kept_by_default(scenes_p: LoadedModel) -> None:
    model = private_copy(scenes_p.model, torch.device("cpu"))
    PatchDropping.insert_into(model, scenes_p.prefix)
    images = torch.randn(2, 3, scenes_p.size, scenes_p.size)
    with torch.no_grad():
        torch.testing.assert_close(model(images), scenes_p.model(images))


def test_coarse_steps_have_a_quarter_of_the_patches(scenes_p: LoadedModel) -> None:
    half = halve_input_size(private_copy(scenes_p.model, torch.device("cpu")), scenes_p.sides)
    with torch.no_grad(), record(half) as maps:
        half(torch.zeros(1, 3, scenes_p.size // 2, scenes_p.size // 2))
    assert maps[0].probs.shape[-1] == scenes_p.prefix + (scenes_p.size // 16) ** 2
    assert scenes_p.model.pos_embed.shape[1] == scenes_p.prefix + (scenes_p.size // 8) ** 2


def test_coarse_steps_need_an_even_number_of_patches_per_side() -> None:
    model = VisionTransformer(img_size=40, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    with pytest.raises(OptionError, match="40 pixels and patches of 8 are not"):
        halve_input_size(model, (40, 40))


def test_q_is_not_run_beyond_the_last_block_of_the_subset(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    original = SynthesisContext.maps

    def counted(*inputs: object) -> object:
        maps = original(*inputs)  # type: ignore[arg-type]
        counts.append(len(maps))
        return maps

    monkeypatch.setattr(SynthesisContext, "maps", counted)
    run(scenes_p, Savings(blocks=0.01))
    blocks = len(attention_modules(scenes_p.model))
    assert len(counts) == 4
    assert min(counts) < blocks
    assert len(set(counts)) > 1


@pytest.mark.parametrize(
    "name, value", [("align_every", 0), ("blocks", 0.0), ("coarse", 1.0), ("patches", 1.5)]
)
def test_invalid_values_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match="allowed"):
        Savings(**{name: value})  # type: ignore[arg-type]
