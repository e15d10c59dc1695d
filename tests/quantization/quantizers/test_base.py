import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from maskaq.errors import NotCalibratedError, OptionError
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow, Uniform
from maskaq.quantization.quantizers.range_search import SEARCHES
from tests.support.quantizers import KINDS, POSITIVE, calibrated, values

BITS = st.integers(2, 8)
SEEDS = st.integers(0, 2**16)


@pytest.mark.parametrize("kind", KINDS)
@given(bits=BITS, seed=SEEDS)
def test_quantizing_twice_changes_nothing(kind: str, bits: int, seed: int) -> None:
    x = values(seed, 64, 4, positive=kind in POSITIVE)
    quantizer = calibrated(kind, bits, x)
    once = quantizer(x).detach()
    torch.testing.assert_close(quantizer(once).detach(), once, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@given(bits=BITS, seed=SEEDS)
def test_rounding_is_monotonic_and_has_at_most_2_to_the_bits_levels(
    kind: str, bits: int, seed: int
) -> None:
    x = values(seed, 2000, 1, positive=kind in POSITIVE).sort(0).values
    out = calibrated(kind, bits, x)(x).detach()
    assert (out.diff(dim=0) >= -1e-6).all()
    levels = out.unique()  # sorted
    distinct = levels.diff() > 1e-5 * (1 + levels[1:].abs())  # powers differ in the last digit
    assert 1 + int(distinct.sum()) <= 2**bits


@given(bits=BITS, seed=SEEDS, search=st.sampled_from(list(SEARCHES)))
def test_inside_the_range_the_error_is_at_most_half_a_step(
    bits: int, seed: int, search: str
) -> None:
    x = values(seed, 200, 1)
    quantizer = calibrated("uniform", bits, x, search=search)
    assert isinstance(quantizer, Uniform)
    low, high = quantizer.limits()
    inside = x[(x >= low) & (x <= high)]
    assert len(inside) > 0
    assert ((quantizer(inside) - inside).abs() <= quantizer.scale / 2 * (1 + 1e-4)).all()
    if search == "minmax":  # rounding the zero point moves both ends by up to half a step
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
def test_weights_have_a_symmetric_step_size_per_row(bits: int) -> None:
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


def test_minmax_sees_one_outlier_among_millions() -> None:
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


@pytest.mark.parametrize("kind", KINDS)
def test_zeros_stay_zeros(kind: str) -> None:
    x = torch.zeros(10, 1)
    assert (calibrated(kind, 4, x)(x) == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_dict_restores_a_quantizer(kind: str) -> None:
    x = values(8, 100, 1, positive=True)
    first = calibrated(kind, 4, x)
    second = QUANTIZERS[kind](4, 1, "mse")
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(x), second(x))


@pytest.mark.parametrize("kind", KINDS)
def test_an_uncalibrated_quantizer_raises(kind: str) -> None:
    with pytest.raises(NotCalibratedError, match="inside calibrating"):
        QUANTIZERS[kind](4, 1, "mse")(torch.ones(2, 1))


def test_an_unknown_search_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'minmax'"):
        Uniform(4, 1, "minmx")


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_in_gives_half_precision_out(kind: str) -> None:
    x = values(9, 256, 1, positive=kind in POSITIVE).bfloat16()
    quantizer = calibrated(kind, 4, x.float()).requires_grad_(False)
    out = quantizer(x)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, quantizer(x.float()).bfloat16())  # rounded to levels in float32
