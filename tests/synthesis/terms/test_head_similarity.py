from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from maskaq.synthesis.terms.head_similarity import head_similarity, patch_maps


def loop_ssim(first: Tensor, second: Tensor) -> float:
    scaled = []
    for one in (first, second):
        span = float(one.max() - one.min())
        scaled.append([(float(v) - float(one.min())) / span for v in one])
    a, b = scaled
    n = len(a)
    mean_a, mean_b = sum(a) / n, sum(b) / n
    var_a = sum((v - mean_a) ** 2 for v in a) / n
    var_b = sum((v - mean_b) ** 2 for v in b) / n
    cov = sum((v - mean_a) * (w - mean_b) for v, w in zip(a, b, strict=True)) / n
    c1, c2 = 1e-4, 9e-4
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))


@pytest.mark.parametrize("probabilities", [False, True])
def test_similarity_is_the_structural_similarity_of_each_pair(probabilities: bool) -> None:
    maps = 2 * torch.randn(2, 3, 4, 9, generator=torch.Generator().manual_seed(0))
    maps = maps.softmax(-1) if probabilities else maps
    (result,) = head_similarity([maps])
    assert result.shape == (2, 4, 3, 3)
    for image in range(2):
        for query in range(4):
            expected = [
                loop_ssim(maps[image, i, query], maps[image, j, query])
                for i in range(3)
                for j in range(3)
            ]
            assert result[image, query].flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_similarities_of_the_released_code(shared: Path) -> None:
    vectors = load_file(shared / "reference" / "released_code_vectors.safetensors")
    for block, expected in zip(vectors["attn.p"], vectors["inter_head.ssim"], strict=True):
        result = head_similarity([patch_maps(block, 1)]).flatten(0, 2)
        torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_the_handwritten_gradient_is_right() -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 3, 4, 5, dtype=torch.float64, generator=generator, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *blocks: head_similarity(blocks), (maps, 1 + maps.detach())
    )


def test_scale_and_offset_of_a_map_do_not_matter() -> None:
    maps = torch.rand(1, 2, 3, 8, generator=torch.Generator().manual_seed(2))
    changed = torch.stack([maps[:, 0] * 1e-3 + 0.5, maps[:, 1] * 40 - 7], 1)
    result = head_similarity([changed])
    torch.testing.assert_close(result, head_similarity([maps]), atol=1e-3, rtol=0)


def test_constant_maps_are_finite_and_similar() -> None:
    maps = torch.full((1, 2, 3, 8), 0.125, requires_grad=True)
    (similarity,) = head_similarity([maps])
    similarity.sum().backward()
    assert torch.allclose(similarity, torch.ones(1, 3, 2, 2))
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
