import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import class_attention
from maskaq.synthesis.terms.attention_prior import (
    Mixtures,
    mixture_maps,
    prior_distance,
    sample_mixtures,
)
from maskaq.synthesis.terms.objectives import OBJECTIVES, StepState

GRID = (2, 3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def slow_map(mixture: Mixtures, grid: tuple[int, int]) -> list[float]:
    """The density of one mixture at the patches, from its covariance matrix."""
    result = []
    for row in range(grid[0]):
        for column in range(grid[1]):
            place = torch.tensor([(row + 0.5) / grid[0], (column + 0.5) / grid[1]])
            total = 0.0
            for k in range(5):
                angle = float(mixture.angle[k])
                turn = torch.tensor(
                    [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
                )
                covariance = turn @ torch.diag(mixture.width[k].square()) @ turn.T
                offset = place - mixture.centre[k]
                squared = float(offset @ covariance.inverse() @ offset)
                size = math.sqrt(float(covariance.det()))
                total += float(mixture.weight[k]) * math.exp(-squared / 2) / size
            result.append(total)
    return result


def test_mixtures_have_one_to_five_components_inside_the_image() -> None:
    mixtures = sample_mixtures((500, 2), generator())
    count = (mixtures.weight > 0).sum(-1)
    assert count.unique().tolist() == [1, 2, 3, 4, 5]
    assert mixtures.weight.shape == (500, 2, 5)
    assert mixtures.centre.min() >= 0
    assert mixtures.centre.max() <= 1
    assert 0.05 <= mixtures.width.min() < 0.06
    assert 0.29 < mixtures.width.max() <= 0.3


def test_maps_of_mixtures_have_the_density_of_their_covariances() -> None:
    mixtures = sample_mixtures((2, 3), generator())
    mixtures = replace(mixtures, width=2 * mixtures.width)
    result = mixture_maps(mixtures, GRID)
    assert result.shape == (2, 3, 6)
    for block in range(2):
        for image in range(3):
            expected = slow_map(mixtures.at(block).at(image), GRID)
            assert result[block, image].tolist() == pytest.approx(expected, rel=1e-3)


def test_no_map_is_empty() -> None:
    maps = mixture_maps(sample_mixtures((2000,), generator()), (2, 2))
    assert (maps.sum(-1) > 0).all()


def test_class_attention_is_the_class_tokens_row_or_the_mean_of_all() -> None:
    probs = torch.randn(2, 3, 6, 6, generator=generator()).softmax(-1)
    assert torch.equal(class_attention(probs, 2), probs[:, :, 0, 2:])
    torch.testing.assert_close(class_attention(probs, 0), probs.mean(2))


def test_distance_by_hand() -> None:
    rows, prior = torch.rand(2, 2, 3, 4, generator=generator()).unbind(0)
    result = prior_distance(rows, prior)
    for image in range(2):
        total = 0.0
        for head in range(3):
            whole = sum(prior[image, head].tolist())
            total += (
                sum(
                    (4 * (float(rows[image, head, n]) - float(prior[image, head, n]) / whole)) ** 2
                    for n in range(4)
                )
                / 4
            )
        assert result[image].item() == pytest.approx(total, rel=1e-5)


def state_of(blocks: int, depths: list[int] | None = None) -> StepState:
    """Images with maps of 3 heads on a grid of 2 x 3 patches, behind a class token."""
    logits = torch.randn(blocks, 2, 3, 7, 7, generator=generator())
    maps = [Maps(z, z.softmax(-1), torch.empty(2, 3, 7, 4)) for z in logits]
    return StepState(
        images=torch.zeros(2, 3, 8, 8),
        labels=torch.arange(2),
        prefix=1,
        reading="paper",
        generator=generator(),
        maps_p=maps if depths is None else [maps[depth] for depth in depths],
        blocks=blocks,
        depths=depths,
        grid=GRID,
    )


@pytest.mark.parametrize("blocks", [1, 4, 5])
def test_the_term_is_a_weighted_sum_over_the_deep_half(blocks: int) -> None:
    state = state_of(blocks)
    result = OBJECTIVES["attention_prior"](state)
    priors = state.constants("attention_prior", lambda g: sample_mixtures((0,), g))
    assert state.maps_p is not None
    total = torch.zeros(2)
    for number in range(1, blocks + 1):
        if number >= blocks / 2:
            rows = state.maps_p[number - 1].probs[:, :, 0, 1:]
            prior = mixture_maps(priors.at(number - 1), GRID)
            total += number / blocks * prior_distance(rows, prior)
    torch.testing.assert_close(result, total)
    assert torch.equal(OBJECTIVES["attention_prior"](state), result)  # the same priors again


def test_a_subset_of_the_blocks_keeps_the_expected_value() -> None:
    """Each block in turn represents all four."""
    whole = OBJECTIVES["attention_prior"](state_of(4))
    single = [OBJECTIVES["attention_prior"](state_of(4, [depth])) for depth in range(4)]
    torch.testing.assert_close(torch.stack(single).mean(0), whole)


def test_a_thin_block_sees_the_prior_of_its_patches() -> None:
    state = state_of(1)
    assert state.maps_p is not None
    kept = torch.tensor([[0, 2, 5], [1, 3, 4]])
    few = torch.cat([torch.zeros(2, 1, dtype=torch.long), kept + 1], 1)  # [B,1+k]
    probs = state.maps_p[0].probs
    probs = probs.gather(3, few[:, None, None].expand(-1, 3, 7, -1))[:, :, :4]
    state.maps_p, state.kept = [Maps(probs, probs, torch.empty(2, 3, 4, 4))], kept
    result = OBJECTIVES["attention_prior"](state)
    prior = mixture_maps(state.constants("attention_prior", sample_nothing).at(0), GRID)
    for image in range(2):
        rows, expected = (
            probs[image : image + 1, :, 0, 1:],
            prior[image : image + 1, :, kept[image]],
        )
        torch.testing.assert_close(result[image : image + 1], prior_distance(rows, expected))


def sample_nothing(_: torch.Generator) -> Mixtures:
    raise AssertionError("it was sampled before")


def test_only_uncropped_images_have_a_prior() -> None:
    state = state_of(2)
    result = OBJECTIVES["attention_prior"](state)
    state.uncropped = torch.tensor([False, True])
    half = OBJECTIVES["attention_prior"](state)
    assert half.tolist() == [0, result[1].item()]


def test_the_term_reaches_the_images(scenes_p: LoadedModel) -> None:
    images = torch.randn(2, 3, 64, 64, generator=generator()).requires_grad_()
    with record(scenes_p.model) as maps:
        scenes_p.model(images)
    state = replace(state_of(1), images=images, maps_p=maps, blocks=None, grid=scenes_p.grid)
    value: Tensor = OBJECTIVES["attention_prior"](state)
    (gradient,) = torch.autograd.grad(value[1], images)
    assert gradient[1].abs().sum() > 0
    assert gradient[0].abs().sum() == 0
