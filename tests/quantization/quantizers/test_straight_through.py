import pytest
import torch

from tests.support.quantizers import KINDS, POSITIVE, calibrated, values


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_one_for_a_value_inside_the_range_and_zero_far_above(kind: str) -> None:
    x = values(7, 500, 1, positive=kind in POSITIVE)
    quantizer = calibrated(kind, 4, x[x < 2][:, None])
    low, high = (limit.item() for limit in quantizer.limits())
    leaf = torch.tensor([[(low + high) / 2.1], [high * 3]], requires_grad=True)
    quantizer(leaf).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([1.0, 0.0], abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_gradient_is_one_inside_the_range_and_zero_outside(kind: str, bits: int) -> None:
    x = values(bits, 4000, 1, positive=kind in POSITIVE)
    quantizer = calibrated(kind, bits, x[:50]).requires_grad_(False)
    low, high = quantizer.limits()
    x = torch.cat([2 * x, low.reshape(1, 1), high.reshape(1, 1)]).requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(x).sum(), x)
    half = (high - low) / (2 * quantizer.form.qmax - 2 * quantizer.form.qmin)
    inside = (x >= low) & (x <= high)
    assert gradient[inside].eq(1).all()
    if kind not in POSITIVE and kind != "adaptive-log":
        assert gradient[x < low - half].eq(0).all()
    assert gradient[x > high + half].eq(0).all()
    assert gradient.eq(0).any()
