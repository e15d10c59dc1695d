import math

import pytest
import torch
from torch import Tensor

from maskaq.quantization.quantizers.lsq import LearnedStep, learned_round
from tests.support.quantizers import calibrated, values


def test_gradients_are_those_of_lsq() -> None:
    x = torch.tensor([[0.12], [0.71], [5.0], [-4.0]])
    quantizer = LearnedStep(3, 1, "minmax")
    with torch.no_grad():
        quantizer.log_scale.fill_(math.log(0.25))
        quantizer.zero_point.fill_(2.0)
    quantizer.ready.fill_(True)
    out = quantizer(x)
    assert out.flatten().tolist() == pytest.approx([0.0, 0.75, 1.25, -0.5])
    out.sum().backward()
    scale, weight = 0.25, 1 / math.sqrt(4 * 7)
    slopes = [round(v / scale) - v / scale for v in (0.12, 0.71)] + [5.0, -2.0]
    assert quantizer.log_scale.grad is not None
    # One SGD step on log s moves s by s * gradient: it must be LSQ's weight * slope.
    moved = quantizer.log_scale.grad.item() * scale
    assert moved == pytest.approx(weight * sum(slopes), rel=1e-4)
    assert quantizer.zero_point.grad is not None
    assert quantizer.zero_point.grad.item() == pytest.approx(-2 * scale * weight, rel=1e-4)


@pytest.mark.parametrize("size", [1e-38, 1e-6])
def test_a_channel_of_tiny_values_has_a_finite_gradient(size: float) -> None:
    # Some channels of ViT-Tiny's LayerNorms are this small. Scaling the gradient of the step size
    # must not change the step size itself.
    x = values(3, 64, 2) * torch.tensor([1.0, size])
    quantizer = calibrated("lsq", 8, x, groups=2, search="l4")
    leaf = x.clone().requires_grad_()
    out = quantizer(leaf)
    with torch.no_grad():
        torch.testing.assert_close(out, quantizer(x))
    out.square().sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def straight_through(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


@pytest.mark.parametrize("groups", [1, 7])
def test_learned_round_has_the_gradients_of_its_formula(groups: int) -> None:
    generator = torch.Generator().manual_seed(groups)
    x = torch.randn(5, 11, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    scale = 0.1 + 0.2 * torch.rand(groups, dtype=torch.float64, generator=generator)
    zero_point = 8 * torch.rand(groups, dtype=torch.float64, generator=generator)
    leaves = (x, scale.requires_grad_(), zero_point.requires_grad_())
    z = straight_through(zero_point)
    expected = (straight_through((x / scale + z).clamp(0, 15)) - z) * scale
    out = learned_round(x, scale, zero_point, 0, 15)
    assert torch.equal(out, expected)
    weights = torch.randn(5, 11, 7, dtype=torch.float64, generator=generator)
    for actual, wanted in zip(
        torch.autograd.grad(out, leaves, weights),
        torch.autograd.grad(expected, leaves, weights),
        strict=True,
    ):
        torch.testing.assert_close(actual, wanted, rtol=1e-9, atol=1e-9)
