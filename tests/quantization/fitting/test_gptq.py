import pytest
import torch
from torch import Tensor, nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.gptq import (
    DAMP,
    Moments,
    _steps,
    apply_gptq,
    gptq_levels,
    recording_moments,
)
from maskaq.quantization.quantizers.base import PerRow


def inputs(channels: int, count: int = 400) -> Tensor:
    """Correlated inputs with a mean of 3, [2,count/2,C]."""
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(count, channels, generator=generator) @ torch.randn(
        channels, channels, generator=generator
    )
    return (mixed + 3).view(2, -1, channels)


def layer(channels: int, bits: int = 3, bias: bool = True) -> QuantLinear:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        source = nn.Linear(channels, 5, bias=bias)
    weight = PerRow(bits, 5, "mse")
    weight.calibrate(source.weight)
    return QuantLinear(source, weight, nn.Identity()).requires_grad_(False)


def record(layer: QuantLinear, x: Tensor) -> Moments:
    with recording_moments(layer) as moments:
        for part in x:
            layer(part)
    return moments[layer]


def test_moments_are_mean_and_covariance_of_all_batches() -> None:
    x = inputs(6)
    moments = record(layer(6), x)
    torch.testing.assert_close(moments.mean(), x.flatten(0, 1).mean(0).double())
    expected = torch.cov(x.flatten(0, 1).T.double(), correction=0)
    torch.testing.assert_close(moments.covariance(), expected, rtol=1e-4, atol=1e-4)


def test_levels_equal_the_algorithm_in_plain_loops() -> None:
    one = layer(6)
    form, weight = one.weight_quantizer.form, one.weight.double().tolist()
    step = one.weight_quantizer.scale.double().tolist()
    covariance = record(one, inputs(6)).covariance()
    damp = DAMP * float(covariance.diagonal().mean())
    hessian = covariance + damp * torch.eye(6)
    scale = one.weight_quantizer.scale[:, None].double()
    actual = gptq_levels(one.weight.double(), hessian, scale, form.qmin, form.qmax)
    order = sorted(range(6), key=lambda c: -float(hessian[c, c]))
    inverse = torch.linalg.inv(hessian[order][:, order])
    for row in range(5):
        left, rest = [weight[row][c] for c in order], inverse.clone()
        levels = [0.0] * 6
        for j in range(6):  # eliminates one input at a time, without a Cholesky factor
            code = min(form.qmax, max(form.qmin, round(left[j] / step[row])))
            levels[order[j]] = code * step[row]
            error = (left[j] - code * step[row]) / float(rest[j, j])
            left = [value - error * float(rest[j, k]) for k, value in enumerate(left)]
            rest = rest - torch.outer(rest[:, j], rest[j]) / rest[j, j]
        assert actual[row].tolist() == pytest.approx(levels, abs=1e-6)


@pytest.mark.parametrize("channels", [6, 150])  # one block of columns, and several
@pytest.mark.parametrize("bias", [True, False])
def test_the_output_error_is_smaller_than_with_nearest_levels(channels: int, bias: bool) -> None:
    x, one = inputs(channels, 2000), layer(channels, bias=bias)
    exact = nn.functional.linear(x, one.weight, one.bias)
    nearest = (one(x) - exact).square().mean()
    apply_gptq(one, record(one, x))
    assert (one(x) - exact).square().mean() < 0.7 * nearest


def test_the_levels_are_better_than_those_of_gptq_alone() -> None:
    x, one = inputs(150, 2000), layer(150, bits=2)
    form, moments = one.weight_quantizer.form, record(one, x)
    weight, covariance = one.weight.double(), moments.covariance()
    hessian = covariance + DAMP * covariance.diagonal().mean() * torch.eye(150)
    apply_gptq(one, moments)
    step = _steps(weight, covariance.diagonal(), form.qmin, form.qmax)
    alone = weight - gptq_levels(weight, hessian, step, form.qmin, form.qmax)
    left = weight - one.weight_quantizer(one.weight)
    assert ((left @ covariance) * left).sum() < 0.95 * ((alone @ covariance) * alone).sum()


def test_the_bias_absorbs_the_shift_of_the_mean() -> None:
    x, one = inputs(6), layer(6, bits=2)
    exact = one.bias + x.flatten(0, 1).mean(0) @ one.weight.T
    apply_gptq(one, record(one, x))
    torch.testing.assert_close(one(x).flatten(0, 1).mean(0), exact, rtol=1e-4, atol=1e-4)


def test_weights_end_half_way_between_their_old_value_and_their_level() -> None:
    one = layer(6)
    before = one.weight.clone()
    apply_gptq(one, record(one, inputs(6)))
    level, step = one.weight_quantizer(one.weight), one.weight_quantizer.scale[:, None]
    assert ((one.weight - level).abs() <= 0.5 * step + 1e-6).all()
    inside = (before - level).abs() < 0.97 * step
    torch.testing.assert_close(one.weight[inside], ((before + level) / 2)[inside])
    assert inside.float().mean() > 0.5


def test_a_constant_input_gives_finite_weights() -> None:
    x, one = inputs(6), layer(6)
    x[..., 2] = 0
    apply_gptq(one, record(one, x))
    assert one.weight.isfinite().all()
    assert one.weight_quantizer.scale.min() > 0
