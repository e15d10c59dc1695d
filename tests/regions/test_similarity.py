import math

import pytest
import torch
from torch import Tensor

from maskaq.regions.similarity import (
    gaussian_entropy,
    kernel_density,
    kernel_entropy,
    patch_similarity,
    similarity_moments,
)


def loop_similarities(rows: Tensor, diagonal: bool) -> list[float]:
    result = []
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i != j or diagonal:
                length = math.sqrt((rows[i] ** 2).sum()) * math.sqrt((rows[j] ** 2).sum())
                result.append(float((rows[i] * rows[j]).sum()) / length)
    return result


def test_similarity_is_the_cosine_of_each_pair() -> None:
    rows = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    result = patch_similarity(rows)
    assert result.shape == (2, 5, 5)
    for image in range(2):
        expected = loop_similarities(rows[image], diagonal=True)
        assert result[image].flatten().tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("diagonal", [False, True])
def test_moments_equal_those_of_the_listed_pairs(diagonal: bool) -> None:
    rows = torch.rand(3, 6, 9, generator=torch.Generator().manual_seed(1))
    mean, variance = similarity_moments(rows, diagonal)
    for image in range(3):
        values = loop_similarities(rows[image], diagonal)
        middle = sum(values) / len(values)
        spread = sum((value - middle) ** 2 for value in values) / len(values)
        assert mean[image].item() == pytest.approx(middle, abs=1e-6)
        assert variance[image].item() == pytest.approx(spread, rel=1e-4)


def test_equal_rows_have_variance_0_and_the_entropy_of_the_floor() -> None:
    rows = torch.rand(1, 9, generator=torch.Generator().manual_seed(2)).expand(8, 9)
    mean, variance = similarity_moments(rows, diagonal=False)
    assert mean.item() == pytest.approx(1)
    assert 0 <= variance.item() < 1e-12
    lowest = gaussian_entropy(variance).item()
    assert lowest == pytest.approx(0.5 * math.log(2 * math.pi * math.e * 1e-8), abs=1e-3)


def test_small_variances_are_accurate_in_single_precision() -> None:
    generator = torch.Generator().manual_seed(3)
    rows = 1 + 0.1 * torch.rand(50, 60, generator=generator, dtype=torch.float64)
    exact = similarity_moments(rows, diagonal=False)[1].item()
    result = similarity_moments(rows.float(), diagonal=False)[1].item()
    assert exact < 1e-7
    assert result == pytest.approx(exact, rel=1e-2)


@pytest.mark.parametrize("common", [0.0, 0.5, 0.9])
def test_moments_with_products_in_half_precision_are_close(common: float) -> None:
    generator = torch.Generator().manual_seed(5)
    rows = torch.rand(2, 196, 196, generator=generator).pow(8).double()
    rows = common * rows.mean(1, keepdim=True) + (1 - common) * rows
    exact = similarity_moments(rows, diagonal=False)
    half = rows.float().requires_grad_()
    result = similarity_moments(half, False, torch.bfloat16)
    for one, expected in zip(result, exact, strict=True):
        torch.testing.assert_close(one.double(), expected, rtol=1e-2, atol=0)
    full = rows.float().requires_grad_()
    exact_gradient = torch.autograd.grad(similarity_moments(full, False)[1].log().sum(), full)[0]
    gradient = torch.autograd.grad(result[1].log().sum(), half)[0]
    assert (gradient - exact_gradient).norm() < 0.02 * exact_gradient.norm()


def test_entropy_bound_of_probabilities() -> None:
    half = torch.eye(2).repeat_interleave(4, 0)  # two groups: the largest possible variance
    variance = similarity_moments(half, diagonal=True)[1]
    assert variance.item() == pytest.approx(0.25)
    assert gaussian_entropy(variance).item() == pytest.approx(0.726, abs=1e-3)


def test_gaussian_entropy_by_hand() -> None:
    result = gaussian_entropy(torch.tensor([1.0, 0.04]), floor=0.0).tolist()
    assert result == pytest.approx([1.4189385, 1.4189385 + math.log(0.2)])


def test_moments_have_the_right_gradient() -> None:
    rows = torch.rand(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    rows.requires_grad_()
    for diagonal in (False, True):
        assert torch.autograd.gradcheck(lambda r, d=diagonal: similarity_moments(r, d), (rows,))


def test_kernel_density_by_hand() -> None:
    values = torch.tensor([[0.1, 0.5, 0.6]])
    points = torch.tensor([0.0, 0.4])
    mean = (0.1 + 0.5 + 0.6) / 3
    deviation = math.sqrt(sum((v - mean) ** 2 for v in (0.1, 0.5, 0.6)) / 3)
    width = 1.06 * deviation * 3**-0.2
    for place, result in zip((0.0, 0.4), kernel_density(values, points)[0].tolist(), strict=True):
        kernels = [math.exp(-0.5 * ((place - v) / width) ** 2) for v in (0.1, 0.5, 0.6)]
        assert result == pytest.approx(
            sum(kernels) / (3 * width * math.sqrt(2 * math.pi)), rel=1e-4
        )


def test_kernel_entropy_of_normal_values_is_the_gaussian_entropy() -> None:
    values = 0.3 + 0.05 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(5))
    expected = gaussian_entropy(values.var(-1), floor=0.0)
    torch.testing.assert_close(kernel_entropy(values), expected, atol=0.04, rtol=0)
    assert kernel_entropy(torch.full((3, 20), 0.5)).isfinite().all()


def test_two_peaks_have_less_entropy_than_their_gaussian() -> None:
    values = torch.cat([torch.full((500,), 0.1), torch.full((500,), 0.9)])
    values = values + 0.01 * torch.randn(1000, generator=torch.Generator().manual_seed(6))
    assert kernel_entropy(values) < gaussian_entropy(values.var(-1)) - 0.1
