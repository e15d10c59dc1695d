import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from maskaq.synthesis.terms.multi_semantic import (
    Crops,
    sample_crops,
    sample_peaks,
    sample_view,
    soft_cross_entropy,
)
from maskaq.synthesis.terms.step_state import RandomConstants


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quadrant(image: Tensor, number: int) -> Tensor:
    """A quadrant of [3,S,S], by its number, at full size."""
    size = image.shape[-1]
    half = size // 2
    top, left = (size - half) * (number // 2), (size - half) * (number % 2)
    crop = image[None, :, top : top + half, left : left + half]
    return functional.interpolate(crop, size=(size, size), mode="bilinear")[0]


def test_crops_are_one_to_four_different_quadrants() -> None:
    crops = sample_crops(400, 10, 4, generator())
    assert crops.number.unique().tolist() == [1, 2, 3, 4]
    assert crops.labels.unique().tolist() == list(range(10))
    assert torch.equal(crops.quadrant.sort(1).values, torch.arange(4).expand(400, 4))
    assert crops.quadrant[:, 0].unique().tolist() == [0, 1, 2, 3]
    assert sample_crops(50, 10, 2, generator()).number.max() == 2


@pytest.mark.parametrize("size", [8, 9])
def test_each_image_is_shown_uncropped_or_as_one_of_its_crops_with_its_label(size: int) -> None:
    count = 200
    images = torch.randn(count, 3, size, size, generator=generator())
    labels = torch.zeros(count, dtype=torch.long)
    crops = sample_crops(count, 9, 4, generator(1))
    crops = Crops(crops.number, crops.quadrant, crops.labels + 1)
    view = sample_view(images, labels, crops, generator(2))
    assert view.uncropped is not None
    assert 0.4 < view.uncropped.float().mean() < 0.6
    used = set()
    for i in range(count):
        if view.uncropped[i]:
            assert torch.equal(view.images[i], images[i])
            assert view.labels[i] == 0
            continue
        fits = [
            k
            for k in range(int(crops.number[i]))
            if torch.allclose(view.images[i], quadrant(images[i], int(crops.quadrant[i, k])))
        ]
        assert len(fits) == 1
        assert view.labels[i] == crops.labels[i, fits[0]]
        used.add(fits[0])
    assert used == {0, 1, 2, 3}


def test_gradients_stay_in_the_crop() -> None:
    images = torch.randn(20, 3, 8, 8, generator=generator()).requires_grad_()
    crops = sample_crops(20, 9, 1, generator())
    view = sample_view(images, torch.zeros(20, dtype=torch.long), crops, generator())
    (gradient,) = torch.autograd.grad(view.images.square().sum(), images)
    assert view.uncropped is not None
    for i in (~view.uncropped).nonzero().flatten().tolist():
        touched = gradient[i].abs().sum(0) > 0  # [S,S]
        where = int(crops.quadrant[i, 0])
        inside = torch.zeros(8, 8, dtype=torch.bool)
        inside[4 * (where // 2) :, 4 * (where % 2) :][:4, :4] = True
        assert torch.equal(touched, inside)


def test_soft_cross_entropy_by_hand() -> None:
    logits = torch.randn(3, 4, generator=generator())
    labels, peaks = torch.tensor([1, 0, 3]), torch.tensor([5.0, 7.5, 10.0])
    result = soft_cross_entropy(logits, labels, peaks)
    for i in range(3):
        target = [float(peaks[i]) if k == labels[i] else 0.0 for k in range(4)]
        below = sum(math.exp(z) for z in target)
        above = math.log(sum(math.exp(z) for z in logits[i].tolist()))
        total = -sum(
            math.exp(z) / below * (logit - above)
            for z, logit in zip(target, logits[i].tolist(), strict=True)
        )
        assert result[i].item() == pytest.approx(total, rel=1e-5)


def test_peaks_lie_between_five_and_ten() -> None:
    peaks = sample_peaks(1000, generator())
    assert 5 <= peaks.min() < 5.05
    assert 9.95 < peaks.max() <= 10


def test_random_constants_depend_on_seed_and_name_alone() -> None:
    def sample(generator: torch.Generator) -> Tensor:
        return torch.rand(3, generator=generator)

    first, again, other = RandomConstants(1), RandomConstants(1), RandomConstants(2)
    value = first("a", sample)
    assert first("a", sample) is value
    again("b", sample)  # sampling another name first changes nothing
    assert torch.equal(again("a", sample), value)
    assert not torch.equal(again("b", sample), value)
    assert not torch.equal(other("a", sample), value)
