from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from maskaq.errors import NotCalibratedError, OptionError
from maskaq.quantization.quantizers.base import QUANTIZERS, LogSqrt2, PerRow, Quantizer, Uniform
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.log_base import LogBase
from maskaq.quantization.quantizers.lsq import LearnedStep, learned_round
from maskaq.quantization.quantizers.range_search import (
    SEARCHES,
    affine_from,
    fake_quantize,
    mse,
    percentile,
)

BITS = st.integers(2, 8)
SEEDS = st.integers(0, 2**16)
POSITIVE = ("log-sqrt2", "log-base")  # grids for softmax outputs


def values(seed: int, *shape: int, positive: bool = False) -> Tensor:
    x = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return x.square() if positive else x * 3 + 0.5


def calibrated(kind: str, bits: int, x: Tensor, groups: int = 1, search: str = "mse") -> Quantizer:
    quantizer = QUANTIZERS[kind](bits, groups, search)
    quantizer.calibrate(x)
    return quantizer


@pytest.mark.parametrize("kind", list(QUANTIZERS))
@given(bits=BITS, seed=SEEDS)
def test_quantizing_twice_changes_nothing(kind: str, bits: int, seed: int) -> None:
    x = values(seed, 64, 4, positive=kind in POSITIVE)
    quantizer = calibrated(kind, bits, x)
    once = quantizer(x).detach()
    torch.testing.assert_close(quantizer(once).detach(), once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", list(QUANTIZERS))
@given(bits=BITS, seed=SEEDS)
def test_order_is_kept_and_levels_are_few(kind: str, bits: int, seed: int) -> None:
    x = values(seed, 2000, 1, positive=kind in POSITIVE).sort(0).values
    out = calibrated(kind, bits, x)(x).detach()
    assert (out.diff(dim=0) >= -1e-6).all()
    levels = out.unique()  # sorted
    apart = levels.diff() > 1e-5 * (1 + levels[1:].abs())  # powers differ in the last digit
    assert 1 + int(apart.sum()) <= 2**bits


@given(bits=BITS, seed=SEEDS, search=st.sampled_from(list(SEARCHES)))
def test_inside_the_range_the_error_is_half_a_step_at_most(
    bits: int, seed: int, search: str
) -> None:
    x = values(seed, 200, 1)
    quantizer = calibrated("uniform", bits, x, search=search)
    assert isinstance(quantizer, Uniform)
    low, high = quantizer.limits()
    inside = x[(x >= low) & (x <= high)]
    assert len(inside) > 0
    assert ((quantizer(inside) - inside).abs() <= quantizer.scale / 2 * (1 + 1e-4)).all()
    if search == "minmax":  # the zero point is rounded, which moves both ends by half a step
        assert x.min() >= low - quantizer.scale * 0.51
        assert x.max() <= high + quantizer.scale * 0.51


def test_uniform_equals_the_formula_in_plain_loops() -> None:
    x = values(1, 5, 3)
    quantizer = calibrated("uniform", 3, x, groups=3, search="minmax")
    out = quantizer(x)
    for channel in range(3):
        low = min(0.0, *x[:, channel].tolist())
        high = max(0.0, *x[:, channel].tolist())
        step = (high - low) / 7
        zero = min(7, max(0, round(-low / step)))
        for row in range(5):
            code = min(7, max(0, round(x[row, channel].item() / step) + zero))
            assert out[row, channel].item() == pytest.approx((code - zero) * step, abs=1e-6)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_weights_get_a_symmetric_step_for_each_row(bits: int) -> None:
    weight = values(2, 6, 4, 3, 3) * torch.arange(1, 7)[:, None, None, None]
    quantizer = PerRow(bits, 6, "minmax")
    quantizer.calibrate(weight)
    assert (quantizer.zero_point == 0).all()
    expected = 2 * weight.flatten(1).abs().amax(1) / (2**bits - 1)
    torch.testing.assert_close(quantizer.scale, expected)
    for row in range(6):
        step = expected[row].item()
        codes = [round(v / step) for v in weight[row].flatten().tolist()]
        clipped = [min(2 ** (bits - 1) - 1, max(-(2 ** (bits - 1)), c)) * step for c in codes]
        torch.testing.assert_close(quantizer(weight)[row].flatten(), torch.tensor(clipped))


def test_mse_never_loses_to_minmax_and_clips_outliers() -> None:
    x = values(3, 4000, 2)
    x[0] = 100
    form = IntegerFormat(4, signed=False)
    chosen, plain = mse(x, form), affine_from(*x.aminmax(dim=0), form)
    errors = [(fake_quantize(x, a, form) - x).square().mean(0) for a in (chosen, plain)]
    assert (errors[0] < errors[1]).all()
    assert (chosen.scale < plain.scale).all()


def test_mse_is_the_best_of_all_the_shrunk_ranges() -> None:
    x = values(4, 300, 1)
    form = IntegerFormat(3, signed=False)
    chosen = (fake_quantize(x, mse(x, form), form) - x).square().mean()
    low, high = x.aminmax(dim=0)
    trials = [
        (fake_quantize(x, affine_from(low * f, high * f, form), form) - x).square().mean()
        for f in torch.linspace(1, 0.15, 30).tolist()
    ]
    assert chosen == min(trials)


def test_minmax_sees_the_one_outlier_among_millions() -> None:
    x = values(9, 40_000, 32)
    x[12_345, 6] = 1000.0
    for groups in (1, 32):
        quantizer = calibrated("uniform", 8, x, groups, search="minmax")
        assert quantizer.limits()[1].max().item() == pytest.approx(1000, rel=0.01)
        assert quantizer(x)[12_345, 6].item() == pytest.approx(1000, rel=0.01)


def test_a_range_of_positive_values_starts_at_zero() -> None:
    quantizer = calibrated("uniform", 3, values(5, 100, 1, positive=True) + 1)
    assert isinstance(quantizer, Uniform)
    assert quantizer.zero_point.item() == 0
    assert quantizer.limits()[0].item() == 0


def test_zeros_stay_zeros_whatever_the_range() -> None:
    x = torch.zeros(10, 1)
    for kind in QUANTIZERS:
        assert (calibrated(kind, 4, x)(x) == 0).all(), kind


@pytest.mark.parametrize("bits, signed", [(3, False), (4, False), (4, True)])
def test_percentiles_are_the_best_of_four_quantiles_of_each_channel(
    bits: int, signed: bool
) -> None:
    x = values(10, 3000, 3) * torch.tensor([1.0, 10.0, 0.1])
    form = IntegerFormat(bits, signed)
    found = percentile(x, form)
    for channel in range(3):
        column = x[:, channel].double().numpy()
        errors = {}
        for p in (0.99, 0.999, 0.9999, 0.99999):
            ends = torch.tensor([[float(np.quantile(column, q))] for q in (1 - p, p)])
            trial = affine_from(*ends, form)
            rounded = fake_quantize(x[:, channel, None], trial, form)
            error = (rounded[:, 0].double() - x[:, channel].double()).square().mean().item()
            errors[error] = trial
        best = errors[min(errors)]
        assert found.scale[channel].item() == pytest.approx(best.scale.item(), rel=1e-3)
        assert abs(found.zero_point[channel].item() - best.zero_point.item()) <= (not signed)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("octaves", [0.25, 0.5, 1.0])
def test_levels_of_a_free_base_are_exact_at_its_powers(bits: int, octaves: float) -> None:
    quantizer = LogBase(bits, 1, "mse")
    quantizer.delta.fill_(0.5)
    quantizer.step.fill_(octaves)
    quantizer.ready.fill_(True)
    exact = 0.5 * 2.0 ** (-torch.arange(2**bits - 1) * octaves)
    torch.testing.assert_close(quantizer(exact[:, None])[:, 0], exact)
    beyond = 0.5 * 2.0 ** (-(2**bits) * octaves)
    assert quantizer(torch.tensor([[beyond], [0.0]])).flatten().tolist() == [0.0, 0.0]
    assert quantizer(torch.tensor([[0.9]])).item() == pytest.approx(0.5)


def test_a_free_base_starts_where_log_sqrt2_is() -> None:
    x = torch.softmax(values(6, 50, 20) * 2, 1).reshape(-1, 1)
    assert torch.equal(calibrated("log-base", 3, x)(x), calibrated("log-sqrt2", 3, x)(x))


@pytest.mark.parametrize("bits", range(2, 9))
def test_log_levels_are_exact_at_powers_and_the_last_code_is_zero(bits: int) -> None:
    quantizer = LogSqrt2(bits, 1, "mse")
    quantizer.delta.fill_(0.5)
    quantizer.ready.fill_(True)
    exact = 0.5 * 2.0 ** (-torch.arange(2**bits - 1) / 2)
    torch.testing.assert_close(quantizer(exact[:, None])[:, 0], exact)
    beyond = 0.5 * 2.0 ** (-(2**bits) / 2)
    assert quantizer(torch.tensor([[beyond], [0.0]])).flatten().tolist() == [0.0, 0.0]
    assert quantizer(torch.tensor([[0.9]])).item() == pytest.approx(0.5)


def test_log_delta_is_the_best_of_its_twenty() -> None:
    x = torch.softmax(values(6, 50, 20) * 2, 1).reshape(-1, 1)
    quantizer = calibrated("log-sqrt2", 3, x)
    assert isinstance(quantizer, LogSqrt2)
    errors = {}
    for factor in torch.linspace(1, 0.05, 20).tolist():
        delta = factor * x.max().item()
        total = 0.0
        for value in x.flatten().tolist():
            code = max(0, round(-2 * math.log2(value / delta)))
            total += ((delta * 2 ** (-code / 2) if code < 7 else 0.0) - value) ** 2
        errors[delta] = total
    best = min(errors, key=lambda delta: errors[delta])
    assert quantizer.delta.item() == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_gradient_is_one_inside_the_range_and_zero_where_clipped(kind: str) -> None:
    x = values(7, 500, 1, positive=kind in POSITIVE)
    quantizer = calibrated(kind, 4, x[x < 2][:, None])
    low, high = (limit.item() for limit in quantizer.limits())
    leaf = torch.tensor([[(low + high) / 2.1], [high * 3]], requires_grad=True)
    quantizer(leaf).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.flatten().tolist() == pytest.approx([1.0, 0.0], abs=1e-5)


def test_learned_step_has_lsq_gradients() -> None:
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


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_all_state_comes_back_from_the_state_dict(kind: str) -> None:
    x = values(8, 100, 1, positive=True)
    first = calibrated(kind, 4, x)
    second = QUANTIZERS[kind](4, 1, "mse")
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_an_uncalibrated_quantizer_refuses(kind: str) -> None:
    with pytest.raises(NotCalibratedError, match="inside calibrating"):
        QUANTIZERS[kind](4, 1, "mse")(torch.ones(2, 1))


def test_an_unknown_search_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'minmax'"):
        Uniform(4, 1, "minmx")


@pytest.mark.parametrize("size", [1e-38, 1e-6])
def test_a_channel_of_tiny_values_has_a_finite_gradient(size: float) -> None:
    # ViT-Tiny's LayerNorm feeds such channels; scaling the step's gradient once lost the step.
    x = values(3, 64, 2) * torch.tensor([1.0, size])
    quantizer = calibrated("lsq", 8, x, groups=2, search="l4")
    leaf = x.clone().requires_grad_()
    out = quantizer(leaf)
    with torch.no_grad():
        torch.testing.assert_close(out, quantizer(x))
    out.square().sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.isfinite().all()


def through(x: Tensor) -> Tensor:
    return x + (x.round() - x).detach()


@pytest.mark.parametrize("groups", [1, 7])
def test_learned_rounding_has_the_gradients_of_its_formula(groups: int) -> None:
    generator = torch.Generator().manual_seed(groups)
    x = torch.randn(5, 11, 7, dtype=torch.float64, generator=generator, requires_grad=True)
    scale = 0.1 + 0.2 * torch.rand(groups, dtype=torch.float64, generator=generator)
    zero = 8 * torch.rand(groups, dtype=torch.float64, generator=generator)
    leaves = (x, scale.requires_grad_(), zero.requires_grad_())
    whole = through(zero)
    expected = (through((x / scale + whole).clamp(0, 15)) - whole) * scale
    found = learned_round(x, scale, zero, 0, 15)
    assert torch.equal(found, expected)
    weights = torch.randn(5, 11, 7, dtype=torch.float64, generator=generator)
    for one, other in zip(
        torch.autograd.grad(found, leaves, weights),
        torch.autograd.grad(expected, leaves, weights),
        strict=True,
    ):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", list(QUANTIZERS))
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_gradient_is_one_inside_the_range_and_zero_outside(kind: str, bits: int) -> None:
    x = values(bits, 4000, 1, positive=kind in POSITIVE)
    quantizer = calibrated(kind, bits, x[:50]).requires_grad_(False)
    low, high = quantizer.limits()
    x = torch.cat([2 * x, low.reshape(1, 1), high.reshape(1, 1)]).requires_grad_()
    (gradient,) = torch.autograd.grad(quantizer(x).sum(), x)
    half = (high - low) / (2 * quantizer.form.qmax - 2 * quantizer.form.qmin)
    surely = (x >= low) & (x <= high)
    assert gradient[surely].eq(1).all()
    if kind not in POSITIVE and kind != "adaptive-log":
        assert gradient[x < low - half].eq(0).all()
    assert gradient[x > high + half].eq(0).all()
    assert gradient.eq(0).any()


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_half_precision_goes_in_and_out(kind: str) -> None:
    x = values(9, 256, 1, positive=kind in POSITIVE).bfloat16()
    quantizer = calibrated(kind, 4, x.float()).requires_grad_(False)
    found = quantizer(x)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, quantizer(x.float()).bfloat16())  # rounded to levels in float32
