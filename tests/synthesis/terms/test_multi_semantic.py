from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from maskaq.synthesis.terms.multi_semantic import (
    Meanings,
    draw_meanings,
    draw_peaks,
    soft_cross_entropy,
    view,
)
from maskaq.synthesis.terms.step_state import Once


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def quadrant(image: Tensor, number: int) -> Tensor:
    """The number-th quadrant of [3,S,S] at full size."""
    size = image.shape[-1]
    half = size // 2
    top, left = (size - half) * (number // 2), (size - half) * (number % 2)
    crop = image[None, :, top : top + half, left : left + half]
    return functional.interpolate(crop, size=(size, size), mode="bilinear")[0]


def test_meanings_are_one_to_four_different_quadrants() -> None:
    own = draw_meanings(400, 10, 4, generator())
    assert own.crops.unique().tolist() == [1, 2, 3, 4]
    assert own.labels.unique().tolist() == list(range(10))
    assert torch.equal(own.quadrant.sort(1).values, torch.arange(4).expand(400, 4))
    assert own.quadrant[:, 0].unique().tolist() == [0, 1, 2, 3]
    assert draw_meanings(50, 10, 2, generator()).crops.max() == 2


@pytest.mark.parametrize("size", [8, 9])
def test_each_image_is_shown_whole_or_as_one_of_its_crops_with_that_label(size: int) -> None:
    count = 200
    images = torch.randn(count, 3, size, size, generator=generator())
    labels = torch.zeros(count, dtype=torch.long)
    own = draw_meanings(count, 9, 4, generator(1))
    own = Meanings(own.crops, own.quadrant, own.labels + 1)
    seen = view(images, labels, own, generator(2))
    assert seen.whole is not None
    assert 0.4 < seen.whole.float().mean() < 0.6
    used = set()
    for i in range(count):
        if seen.whole[i]:
            assert torch.equal(seen.images[i], images[i])
            assert seen.labels[i] == 0
            continue
        fits = [
            k
            for k in range(int(own.crops[i]))
            if torch.allclose(seen.images[i], quadrant(images[i], int(own.quadrant[i, k])))
        ]
        assert len(fits) == 1
        assert seen.labels[i] == own.labels[i, fits[0]]
        used.add(fits[0])
    assert used == {0, 1, 2, 3}


def test_gradients_stay_in_the_crop() -> None:
    images = torch.randn(20, 3, 8, 8, generator=generator()).requires_grad_()
    own = draw_meanings(20, 9, 1, generator())
    seen = view(images, torch.zeros(20, dtype=torch.long), own, generator())
    (gradient,) = torch.autograd.grad(seen.images.square().sum(), images)
    assert seen.whole is not None
    for i in (~seen.whole).nonzero().flatten().tolist():
        touched = gradient[i].abs().sum(0) > 0  # [S,S]
        where = int(own.quadrant[i, 0])
        inside = torch.zeros(8, 8, dtype=torch.bool)
        inside[4 * (where // 2) :, 4 * (where % 2) :][:4, :4] = True
        assert torch.equal(touched, inside)


def test_soft_cross_entropy_by_hand() -> None:
    logits = torch.randn(3, 4, generator=generator())
    labels, peaks = torch.tensor([1, 0, 3]), torch.tensor([5.0, 7.5, 10.0])
    found = soft_cross_entropy(logits, labels, peaks)
    for i in range(3):
        wanted = [float(peaks[i]) if k == labels[i] else 0.0 for k in range(4)]
        below = sum(math.exp(z) for z in wanted)
        above = math.log(sum(math.exp(z) for z in logits[i].tolist()))
        total = -sum(
            math.exp(z) / below * (given - above)
            for z, given in zip(wanted, logits[i].tolist(), strict=True)
        )
        assert found[i].item() == pytest.approx(total, rel=1e-5)


def test_peaks_lie_between_five_and_ten() -> None:
    peaks = draw_peaks(1000, generator())
    assert 5 <= peaks.min() < 5.05
    assert 9.95 < peaks.max() <= 10


def test_what_is_drawn_once_depends_on_seed_and_name_alone() -> None:
    def draw(own: torch.Generator) -> Tensor:
        return torch.rand(3, generator=own)

    first, again, other = Once(1), Once(1), Once(2)
    value = first("a", draw)
    assert first("a", draw) is value
    again("b", draw)  # another name before it changes nothing
    assert torch.equal(again("a", draw), value)
    assert not torch.equal(again("b", draw), value)
    assert not torch.equal(other("a", draw), value)
