import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.synthesis.terms.objectives import OBJECTIVES, StepState
from maskaq.synthesis.terms.patch_entropy import (
    density,
    feature_entropy,
    image_variation,
    sample_target,
    variation_gap,
)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def state_of(images: Tensor, maps: list[Maps] | None = None) -> StepState:
    return StepState(
        images=images,
        labels=torch.arange(len(images)),
        prefix=1,
        reading="paper",
        generator=torch.Generator(),
        maps_p=maps,
    )


def slow_density(values: list[float], point: float) -> float:
    bells = [math.exp(-(((point - value) / 0.01) ** 2) / 2) for value in values]
    return sum(bells) / (len(values) * 0.01 * math.sqrt(2 * math.pi))


def slow_entropy(features: Tensor) -> float:
    """PSAQ-ViT's entropy of one image [N,d], with plain loops."""
    rows = [[float(value) for value in row] for row in features]
    lengths = [math.sqrt(sum(value**2 for value in row)) for row in rows]
    values = [
        sum(x * y for x, y in zip(a, b, strict=True)) / (lengths[i] * lengths[j])
        for i, a in enumerate(rows)
        for j, b in enumerate(rows)
    ]
    low, high = min(values), max(values)
    points = [low + (high - low) * k / 9 for k in range(10)]
    lifted = [slow_density(values, point) + 1e-4 for point in points]
    heights = [-p * math.log(p) for p in lifted]
    return sum((a + b) / 2 for a, b in pairwise(heights)) * (high - low) / 9


def test_density_and_its_gradient_by_hand() -> None:
    values = 0.03 * normal(2, 7).double()
    points = 0.03 * normal(2, 4, seed=1).double()
    result = density(values, points)
    for image in range(2):
        expected = [slow_density(values[image].tolist(), at) for at in points[image].tolist()]
        assert result[image].tolist() == pytest.approx(expected, rel=1e-9)
    assert torch.autograd.gradcheck(lambda v: density(v, points), values.requires_grad_())


def test_feature_entropy_equals_plain_loops_for_each_image_alone() -> None:
    features = normal(3, 6, 5)
    features[1] = 0.2 * features[1] + 1  # nearly equal patches
    result = feature_entropy(features)
    assert result.tolist() == pytest.approx([slow_entropy(one) for one in features], abs=2e-3)
    torch.testing.assert_close(feature_entropy(features[1:2]), result[1:2])


def test_memory_does_not_depend_on_the_points() -> None:
    """Autograd keeps a few tensors of N^2 values per image, not ten times as many."""
    kept: list[int] = []

    def keep(tensor: Tensor) -> Tensor:
        kept.append(tensor.numel())
        return tensor

    sizes = []
    for images in (2, 4):
        kept.clear()
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            feature_entropy(normal(images, 60, 4).requires_grad_())
        sizes.append(sum(kept))
    assert sizes[0] < 2 * 2 * 60**2
    assert sizes[1] <= 2 * sizes[0]


def test_the_term_sums_over_blocks_without_the_class_token() -> None:
    heads = normal(2, 2, 3, 6, 4)  # blocks, images, heads, tokens, width
    empty = torch.empty(2, 3, 6, 6)
    maps = [Maps(empty, empty, block) for block in heads]
    state = state_of(normal(2, 3, 8, 8), maps)
    result = OBJECTIVES["patch_entropy"](state)
    for image in range(2):
        expected = -sum(slow_entropy(block[image, :, 1:].mean(0)) for block in heads)
        assert result[image].item() == pytest.approx(expected, abs=5e-3)
    state.blocks = 6  # the two blocks represent six
    torch.testing.assert_close(OBJECTIVES["patch_entropy"](state), 3 * result)


def test_the_term_reaches_the_images(scenes_p: LoadedModel) -> None:
    images = normal(2, 3, 64, 64).requires_grad_()
    with record(scenes_p.model) as maps:
        scenes_p.model(images)
    value = OBJECTIVES["patch_entropy"](state_of(images, maps))
    (gradient,) = torch.autograd.grad(value[1], images)
    assert gradient[1].isfinite().all()
    assert gradient[1].abs().sum() > 0
    assert gradient[0].abs().sum() == 0


def test_variation_by_hand() -> None:
    images = normal(2, 3, 4, 4)
    ways = (((1, 0), 1.0), ((0, 1), 1.0), ((1, 1), 0.5**0.5), ((1, -1), 0.5**0.5))
    for image, result in zip(images, image_variation(images), strict=True):
        total = 0.0
        for (down, across), weight in ways:
            squares = [
                float(plane[i, j] - plane[i + down, j + across]) ** 2
                for plane in image
                for i in range(4 - down)
                for j in range(4)
                if 0 <= j + across < 4
            ]
            total += weight * math.sqrt(sum(squares))
        assert result.item() == pytest.approx(total, rel=1e-5)


def test_the_target_is_for_32_images_of_224_pixels_normalised_as_imagenet() -> None:
    image = normal(1, 3, 16, 16)
    target = torch.tensor(40.0)
    plain = (32**0.5 * image_variation(image) - 40 * 16 / 224).abs()
    torch.testing.assert_close(variation_gap(image, target), plain)
    # The same image, normalised by another standard deviation: the gap is only scaled.
    other = variation_gap(image * 0.226 / 0.5, target, 0.5)
    torch.testing.assert_close(other, plain * 0.226 / 0.5)


def test_the_target_is_sampled_once() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.stack([sample_target(generator) for _ in range(300)])
    assert 2500 <= targets.min() < 2520
    assert 2980 < targets.max() <= 3000
    state = state_of(normal(2, 3, 8, 8))
    first = OBJECTIVES["tv_target"](state)
    assert torch.equal(OBJECTIVES["tv_target"](state), first)
    assert first.shape == (2,)
