from __future__ import annotations

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
from maskaq.synthesis.context import Setting, private_copy
from maskaq.synthesis.loop import Samples, synthesise
from maskaq.synthesis.shortcuts import Plan, Thinning, drawn, most_attended, plan, smaller
from maskaq.synthesis.terms.head_similarity import patch_maps
from maskaq.synthesis.terms.objectives import inter_head

ALL = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
OPTIONS = SynthesisOptions(images=3, batch=3, steps=4, coefficients=ALL)


def run(loaded: LoadedModel, savings: Savings) -> tuple[list[Event], Samples]:
    items = list(
        synthesise(loaded, replace(OPTIONS, savings=savings), seed=0, make_q=lambda _: loaded.model)
    )
    assert isinstance(items[-1], Samples)
    return [item for item in items if isinstance(item, Event)], items[-1]


def test_steps_follow_the_plan() -> None:
    savings = Savings(align_every=3, coarse=0.2, patches=0.5, patches_from=0.6)
    options = replace(OPTIONS, steps=10, savings=savings)
    plans = [plan(options, step) for step in range(10)]
    assert [step for step, now in enumerate(plans) if now.coarse] == [0, 1]
    assert [step for step, now in enumerate(plans) if now.aligns] == [2, 5, 8]
    assert [step for step, now in enumerate(plans) if now.thin] == [6, 7, 8, 9]
    assert {plan(OPTIONS, step) for step in range(4)} == {Plan(False, True, False)}


def test_alignment_between_coarse_steps_and_align_from_begins_at_the_later() -> None:
    options = replace(OPTIONS, steps=10, align_from=0.5, savings=Savings(coarse=0.2))
    assert [step for step in range(10) if plan(options, step).aligns] == [5, 6, 7, 8, 9]


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
def test_every_saving_makes_images_of_its_own(scenes_p: LoadedModel, savings: Savings) -> None:
    events, samples = run(scenes_p, savings)
    assert samples.images.shape == (3, 3, scenes_p.size, scenes_p.size)
    assert not torch.equal(samples.images, run(scenes_p, Savings())[1].images)
    assert torch.equal(samples.images, run(scenes_p, savings)[1].images)
    values = torch.tensor([value for event in events for value in event.metrics.values()])
    assert values.isfinite().all()
    aligned = [event.step - 1 for event in events if "align" in event.metrics]
    wanted = replace(OPTIONS, savings=savings)
    assert aligned == [step for step in range(4) if plan(wanted, step).aligns]


def test_drawn_parts_are_in_order_and_differ() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [tuple(drawn(0.5, 12, generator)) for _ in range(50)]
    assert all(len(part) == 6 and list(part) == sorted(set(part)) for part in parts)
    assert len(set(parts)) > 40
    counts = torch.tensor([one for part in parts for one in part]).bincount(minlength=12)
    assert counts.min() > 10  # of 25 expected
    assert drawn(0.01, 12, generator) != []
    assert drawn(1, 3, generator) == [0, 1, 2]


def test_rows_of_some_queries_have_the_gradient_of_the_cut() -> None:
    full = torch.rand(2, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    queries = torch.tensor([0, 3])
    found = patch_maps(full, 1, queries)
    assert torch.equal(found, full[:, :, 1:, 1:][:, :, queries])
    assert torch.autograd.gradcheck(lambda x: patch_maps(x, 1, queries), (full,))


def test_a_random_part_of_the_queries_has_the_expected_value_of_all(scenes_p: LoadedModel) -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.rand(1, 3, 64, 64, generator=generator).pow(4)
    whole = inter_head([maps]).item()
    parts = [inter_head([maps[:, :, drawn(0.25, 64, generator)]]).item() for _ in range(200)]
    assert sum(parts) / 200 == pytest.approx(whole, abs=3 * pstdev(parts) / 200**0.5)


def test_p_drops_the_patches_it_attends_to_least_and_q_the_same_ones(scenes_p: LoadedModel) -> None:
    options = replace(OPTIONS, savings=Savings(patches=0.25))
    setting = Setting.of(scenes_p, options, make_q=lambda _: scenes_p.model)
    images = torch.randn(2, 3, scenes_p.size, scenes_p.size)
    patches = (scenes_p.size // 8) ** 2
    with torch.no_grad():
        _, maps, kept = setting.run_recorded(setting.model, images, thins=True)
        _, whole, nothing = setting.run_recorded(setting.model, images, thins=False)
        assert nothing is None
        assert kept is not None
        of_q = setting.maps(setting.quantized(images), images, len(maps), kept)
    depth = setting.thinning.depth  # type: ignore[union-attr]
    assert kept.shape == (2, patches // 4)
    assert torch.equal(kept, most_attended(whole[:depth], scenes_p.prefix, 0.25))
    sizes = [block.probs.shape[-1] - scenes_p.prefix for block in maps]
    assert sizes == [patches] * depth + [patches // 4] * (len(maps) - depth)
    for one, other in zip(maps, of_q, strict=True):
        torch.testing.assert_close(one.probs, other.probs)


def test_without_a_choice_every_patch_stays(scenes_p: LoadedModel) -> None:
    model = private_copy(scenes_p.model, torch.device("cpu"))
    Thinning.put_into(model, scenes_p.prefix)
    images = torch.randn(2, 3, scenes_p.size, scenes_p.size)
    with torch.no_grad():
        torch.testing.assert_close(model(images), scenes_p.model(images))


def test_coarse_steps_show_p_a_quarter_of_the_patches(scenes_p: LoadedModel) -> None:
    half = smaller(private_copy(scenes_p.model, torch.device("cpu")), scenes_p.size)
    with torch.no_grad(), record(half) as maps:
        half(torch.zeros(1, 3, scenes_p.size // 2, scenes_p.size // 2))
    assert maps[0].probs.shape[-1] == scenes_p.prefix + (scenes_p.size // 16) ** 2
    assert scenes_p.model.pos_embed.shape[1] == scenes_p.prefix + (scenes_p.size // 8) ** 2


def test_coarse_steps_need_a_side_of_an_even_number_of_patches() -> None:
    model = VisionTransformer(img_size=40, patch_size=8, embed_dim=24, depth=2, num_heads=3)
    with pytest.raises(OptionError, match="40 pixels and patches of 8 are not"):
        smaller(model, 40)


def test_q_is_not_run_beyond_the_last_block_that_counts(
    scenes_p: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    original = Setting.maps

    def counted(*inputs: object) -> object:
        found = original(*inputs)  # type: ignore[arg-type]
        counts.append(len(found))
        return found

    monkeypatch.setattr(Setting, "maps", counted)
    run(scenes_p, Savings(blocks=0.01))
    whole = len(attention_modules(scenes_p.model))
    assert len(counts) == 4
    assert min(counts) < whole
    assert len(set(counts)) > 1


@pytest.mark.parametrize(
    "name, value", [("align_every", 0), ("blocks", 0.0), ("coarse", 1.0), ("patches", 1.5)]
)
def test_values_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match="allowed"):
        Savings(**{name: value})  # type: ignore[arg-type]
