import math
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from maskaq.config import Coefficients
from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import informative_mask, patch_attention
from maskaq.synthesis.terms.head_similarity import head_similarity
from maskaq.synthesis.terms.objectives import (
    OBJECTIVES,
    StepState,
    alignment,
    inter_head,
    similarity_entropy,
    total_variation,
)
from maskaq.tasks.classification import TASK

READINGS = ["paper", "released"]
ONE_READING = {"one_hot", "patch_entropy", "tv_target", "soft_label", "attention_prior"}


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, Tensor]:
    return load_file(shared / "reference" / "released_code_vectors.safetensors")


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def state_of(reading: str, images: int = 2, heads: int = 3, prefix: int = 1) -> StepState:
    """A state of two blocks, 5 patches, head width 4."""
    tokens = prefix + 5
    maps = [
        [
            Maps(z, z.softmax(-1), z[..., :4])
            for z in normal(2, images, heads, tokens, tokens, seed=seed)
        ]
        for seed in (0, 1)
    ]
    return StepState(
        images=normal(images, 3, 6, 6),
        logits=normal(images, 7),
        labels=torch.arange(images),
        maps_p=maps[0],
        maps_q=maps[1],
        mask=informative_mask(normal(images, 5), 0.6),
        prefix=prefix,
        reading=reading,
        generator=torch.Generator().manual_seed(0),
        grid=(1, 5),
    )


def test_there_is_a_term_for_each_coefficient() -> None:
    assert sorted(OBJECTIVES) == sorted(item.name for item in fields(Coefficients))


def test_cross_entropy_by_hand() -> None:
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
    result = TASK.target_loss(logits, torch.tensor([1, 0])).tolist()
    rows = [[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]]
    expected = [
        math.log(sum(math.exp(z) for z in row)) - row[label]
        for row, label in zip(rows, (1, 0), strict=True)
    ]
    assert result == pytest.approx(expected, abs=1e-6)


def test_total_variation_of_the_paper_by_hand() -> None:
    images = normal(2, 3, 4, 5)
    for image, result in zip(images, total_variation(images), strict=True):
        total = 0.0
        for plane in image:
            for i in range(4):
                for j in range(5):
                    total += float(plane[i, j] - plane[i + 1, j]) ** 2 if i < 3 else 0
                    total += float(plane[i, j] - plane[i, j + 1]) ** 2 if j < 4 else 0
        assert result.item() == pytest.approx(total, rel=1e-5)


def test_total_variation_of_the_released_code(vectors: dict[str, Tensor]) -> None:
    result = total_variation(vectors["tv.image"], "released")
    assert result.item() == pytest.approx(vectors["tv.loss"].item(), rel=1e-5)


def test_inter_head_of_the_released_code(vectors: dict[str, Tensor]) -> None:
    blocks = [block[:, :, 1:, 1:] for block in vectors["attn.p"]]
    result = inter_head(blocks, "released")
    assert result.shape == (2,)
    assert result.mean().item() == pytest.approx(vectors["inter_head.loss"].item(), abs=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_inter_head_is_the_mean_over_blocks_queries_and_pairs(reading: str) -> None:
    blocks = list(normal(2, 3, 2, 4, 9).softmax(-1))
    result = inter_head(blocks, reading)
    for image in range(3):
        values = [
            1 - float(s) ** (2 if reading == "released" else 1)
            for block in blocks
            for s in head_similarity([block[image : image + 1]]).flatten()
        ]
        assert result[image].item() == pytest.approx(sum(values) / len(values), abs=1e-5)


def test_inter_head_is_0_if_heads_agree_and_readings_differ_on_opposite_heads() -> None:
    one = normal(1, 1, 4, 9)
    assert inter_head([one.expand(1, 3, 4, 9)]).item() == pytest.approx(0, abs=1e-6)
    opposite = torch.cat([one, -one], 1)
    assert inter_head([opposite]).item() > inter_head([opposite], "released").item() + 0.2


def test_entropy_of_the_released_code(vectors: dict[str, Tensor]) -> None:
    rows = [block[:, :, 1:, 1:].mean(1) for block in vectors["entropy.attn"]]
    result = similarity_entropy(rows, torch.Generator(), "released")
    assert result.shape == (2,)
    assert result.mean().item() == pytest.approx(vectors["entropy.loss"].item(), abs=1e-5)


def test_entropy_of_the_paper_by_hand() -> None:
    blocks = list(normal(2, 2, 6, 6).softmax(-1))
    result = similarity_entropy(blocks, torch.Generator())
    for image in range(2):
        total = 0.0
        for block in blocks:
            rows = block[image]
            pairs = [
                float(rows[i] @ rows[j] / (rows[i].norm() * rows[j].norm()))
                for i in range(6)
                for j in range(6)
                if i != j
            ]
            mean = sum(pairs) / 30
            variance = sum((pair - mean) ** 2 for pair in pairs) / 30
            total -= 0.5 * math.log(2 * math.pi * math.e * (variance + 1e-8))
        assert result[image].item() == pytest.approx(total / 2, rel=1e-3)


def test_released_entropy_samples_64_rows_and_that_of_the_paper_none() -> None:
    rows = [normal(2, 70, 70)]
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    released = [similarity_entropy(rows, generator, "released") for generator in generators]
    assert not torch.equal(released[0], released[1])
    paper = [similarity_entropy(rows, generator) for generator in generators]
    assert torch.equal(paper[0], paper[1])


@pytest.mark.parametrize("percent", [10, 30, 50])
def test_alignment_of_the_released_code(vectors: dict[str, Tensor], percent: int) -> None:
    # Head width 1, as these logits are not divided by its square root.
    p, q = (
        [Maps(z, z.softmax(-1), torch.empty(2, 3, 197, 1)) for z in vectors[f"attn.{name}"]]
        for name in "pq"
    )
    mask = informative_mask(patch_attention(p, 1, "released"), percent / 100)
    state = StepState(
        images=torch.empty(0),
        logits=torch.empty(0),
        labels=torch.empty(0),
        maps_p=p,
        maps_q=q,
        mask=mask,
        prefix=1,
        reading="released",
        generator=torch.Generator(),
    )
    result = OBJECTIVES["align"](state).mean().item()
    assert result == pytest.approx(vectors[f"align.{percent}"].item(), abs=1e-5)


@pytest.mark.parametrize("reading", READINGS)
def test_alignment_by_hand(reading: str) -> None:
    p, q = list(normal(2, 2, 5, 5)), list(normal(2, 2, 5, 5, seed=1))
    mask = informative_mask(normal(2, 5, seed=2), 0.6)
    result = alignment(p, q, [mask, mask], reading)
    for image in range(2):
        total = sum(
            abs(float(a[image, row, column] - b[image, row, column]))
            for a, b in zip(p, q, strict=True)
            for row in range(5)
            for column in range(5)
            if mask[image, column]
        )
        expected = total / 3 / (2 if reading == "released" else 1)
        assert result[image].item() == pytest.approx(expected, rel=1e-5)


def test_released_reading_uses_logits_before_their_division() -> None:
    state = state_of("released")
    assert state.maps_p is not None
    expected = state.maps_p[0].logits[:, :, 1:, 1:] * 2  # head width 4
    torch.testing.assert_close(state.patch_maps[0], expected)
    paper = state_of("paper")
    assert paper.maps_p is not None
    assert torch.equal(paper.patch_maps[1], paper.maps_p[1].probs[:, :, 1:, 1:])


@pytest.mark.parametrize("prefix", [0, 2])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_terms_support_any_number_of_prefix_tokens(name: str, reading: str, prefix: int) -> None:
    value = OBJECTIVES[name](state_of(reading, prefix=prefix))
    assert value.shape == (() if (name, reading) == ("tv", "released") else (2,))
    assert value.isfinite().all()


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_the_readings_differ_and_gradients_reach_the_images(
    name: str, reading: str, scenes_p: LoadedModel
) -> None:
    images = normal(2, 3, scenes_p.size, scenes_p.size).requires_grad_()
    with record(scenes_p.model) as maps_p:
        logits = scenes_p.model(images)
    with record(scenes_p.model) as maps_q, torch.no_grad():
        scenes_p.model(images.detach() + 0.1)
    mask = informative_mask(patch_attention(maps_p, 1, reading), 0.5)
    values = {}
    for each in READINGS:
        state = StepState(
            images=images,
            logits=logits,
            labels=torch.tensor([0, 3]),
            maps_p=maps_p,
            maps_q=maps_q,
            mask=mask,
            prefix=1,
            reading=each,
            generator=torch.Generator().manual_seed(0),
            grid=scenes_p.grid,
        )
        values[each] = OBJECTIVES[name](state).sum()
    differ = abs((values["paper"] - values["released"]).item())
    assert differ == 0 if name in ONE_READING else differ > 1e-6
    (gradient,) = torch.autograd.grad(values[reading], images)
    per_image = gradient.abs().flatten(1).sum(1)
    assert gradient.isfinite().all()
    assert (per_image > 0).all()
