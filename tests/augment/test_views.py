import math

import pytest
import torch
from torch.nn import functional

from maskaq.augment.views import AUGMENTATIONS, resampling


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 3, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=generator(9))


def test_resampling_by_hand() -> None:
    start, length, size = 2.25, -5.5, 8
    result = resampling(torch.tensor([start]), torch.tensor([length]), size)[0]
    for new in range(size):
        place = start + length * (new + 0.5) / size - 0.5
        for old in range(size):
            ways = [max(0.0, 1 - abs(place - old - turn)) for turn in (-2 * size, -size, 0, size)]
            assert result[new, old].item() == pytest.approx(sum(ways), abs=1e-5)


def test_resampling_a_crop_is_bilinear_interpolation() -> None:
    one = images(1, 16)
    matrix = resampling(torch.tensor([4.0]), torch.tensor([8.0]), 16)
    result = (matrix[:, None] @ one @ matrix.mT[:, None])[..., 1:-1, 1:-1]
    crop = functional.interpolate(one[..., 4:12, 4:12], 16, mode="bilinear")
    # The edges are interpolated with pixels outside of the crop.
    torch.testing.assert_close(result, crop[..., 1:-1, 1:-1])


def test_shift_and_flip_are_exact() -> None:
    row = torch.arange(6.0)[None, :, None]
    shifted = resampling(torch.tensor([-2.0]), torch.tensor([6.0]), 6) @ row
    assert shifted.flatten().tolist() == [4, 5, 0, 1, 2, 3]
    flipped = resampling(torch.tensor([6.0]), torch.tensor([-6.0]), 6) @ row
    assert flipped.flatten().tolist() == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_views_are_determined_by_the_generator(name: str) -> None:
    same = [AUGMENTATIONS[name](images(), 3, 10, generator(5)).images for _ in range(2)]
    assert same[0].shape == (3, 3, 64, 64)
    assert torch.equal(*same)
    other = AUGMENTATIONS[name](images(), 3, 10, generator(6)).images
    assert torch.equal(same[0], other) == (name == "none")


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_gradients_of_a_view_reach_its_image_only(name: str) -> None:
    source = images().requires_grad_()
    views = AUGMENTATIONS[name](source, 0, 10, generator()).images
    (gradient,) = torch.autograd.grad(views[1].square().sum(), source)
    assert gradient[1].abs().sum() > 0
    assert gradient[0].abs().sum() == gradient[2].abs().sum() == 0


def test_crops_differ_between_images_and_add_noise() -> None:
    flat = AUGMENTATIONS["crops"](torch.zeros(4, 3, 64, 64), 0, 10, generator()).images
    assert flat.std().item() == pytest.approx(0.1, abs=0.005)
    ramp = torch.linspace(-1, 1, 64).expand(24, 3, 64, 64)
    views = AUGMENTATIONS["crops"](ramp, 0, 10, generator()).images.mean((1, 2))  # [B,S]
    rising = (views.diff(dim=1).median(1).values > 0).float().mean().item()
    assert 0.2 < rising < 0.8  # about half are flipped
    steps = views.diff(dim=1).abs().median(1).values / (2 / 63)  # side of the crop / 64
    assert steps.std() > 0.02


def sides(step: int, total: int, size: int = 48) -> list[tuple[float, float]]:
    """Side and left edge, as shares of the image, of the crops of `easy-to-hard` in a step."""
    ramp = torch.linspace(0.5, size - 0.5, size).expand(12, 3, size, size)
    views = AUGMENTATIONS["easy-to-hard"](ramp, step, total, generator(step)).images
    result = []
    for row in views[:, 0, size // 2].tolist():
        inner = row[6:-6]  # the edges include pixels outside of the crop
        slope = abs(inner[-1] - inner[0]) / (len(inner) - 1)
        middle = (row[size // 2 - 1] + row[size // 2]) / 2 / size
        result.append((slope, middle - slope / 2))
    return result


def test_easy_to_hard_shows_whole_images_then_smaller_and_smaller_crops() -> None:
    total = 41
    for step in (0, 5, 10):
        assert all(side == pytest.approx(1) for side, _ in sides(step, total))
    expected = {20: 1 - 0.7 * (20 - 10.25) / 29.75, 30: 1 - 0.7 * (30 - 10.25) / 29.75, 40: 0.3}
    for step, share in expected.items():
        result = sides(step, total)
        assert [side for side, _ in result] == pytest.approx([share] * 12, abs=1e-3)
        left = [start for _, start in result]
        assert all(-1e-3 <= start <= 1 - share + 1e-3 for start in left)  # inside the image
        assert max(left) - min(left) > (1 - share) / 3


def test_easy_to_hard_flips_half_of_the_images_and_does_not_blur_whole_ones() -> None:
    source = images(20, 16)
    views = AUGMENTATIONS["easy-to-hard"](source, 0, 1, generator()).images
    same = torch.tensor([torch.allclose(a, b) for a, b in zip(views, source, strict=True)])
    flipped = torch.tensor(
        [torch.allclose(a, b.flip(-1)) for a, b in zip(views, source, strict=True)]
    )
    assert (same ^ flipped).all()
    assert 4 < int(same.sum()) < 16


def test_released_views_are_one_shift_and_a_colour_change() -> None:
    one = images()
    views = AUGMENTATIONS["released"](one, 9, 10, generator(1)).images
    result = set()
    for down in range(-5, 6):
        for across in range(-5, 6):
            shifted = one.roll((down, across), (2, 3))
            pairs = torch.stack([shifted.flatten(2), views.flatten(2)], 2)  # [B,3,2,S*S]
            if all(torch.corrcoef(pair)[0, 1] > 0.9999 for pair in pairs.flatten(0, 1)):
                result.add((down, across))
    assert len(result) == 1  # the same for all images and channels, within 16 * 64 / 224
    contrast = views.std((2, 3)) / one.std((2, 3))
    assert len(contrast.flatten().unique()) == 9
    assert 1 / 2.72 < contrast.min() < contrast.max() < 2.72


def test_released_colour_shift_decreases_to_0() -> None:
    means = {
        step: AUGMENTATIONS["released"](torch.zeros(4000, 3, 2, 2), step, 1000, generator()).images
        for step in (0, 999)
    }
    # offset - U(-1,1), over exp(U(-1,1)): variance E[exp(-2U)] * (offset^2 + 1/3)
    spread = math.sinh(2) / 2
    assert means[0].var().item() == pytest.approx(spread * (0.25 + 1 / 3), rel=0.06)
    assert means[999].var().item() == pytest.approx(spread / 3, rel=0.06)
