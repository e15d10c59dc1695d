import math

import numpy as np
import pytest
import torch

from maskaq.errors import OptionError
from maskaq.quantization import numpy_reference as reference
from maskaq.quantization.quantizers import range_search
from maskaq.quantization.quantizers.base import PerRow, Uniform
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.logarithmic import AdaptiveLog, LogSqrt2
from maskaq.quantization.quantizers.lsq import learned_round

BITS = (2, 3, 4, 8)
EVEN = ("minmax", "mse")


def torch_rounded(values, bits, symmetric, rule):
    """The values rounded by the torch quantizer, as one tensor."""
    x = torch.from_numpy(values)
    if rule == "log2":
        quantizer = LogSqrt2(bits, 1, "mse")
    elif rule == "adaptive-log":
        quantizer = AdaptiveLog(bits, 1, "mse")
    elif symmetric:
        quantizer, x = PerRow(bits, 1, rule), x[None]
    else:
        quantizer = Uniform(bits, 1, rule)
    quantizer.calibrate(x)
    with torch.no_grad():
        return quantizer(x).flatten().numpy()


@pytest.mark.parametrize("rule, symmetric", [(r, s) for r in EVEN for s in (True, False)])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", reference.DISTRIBUTIONS)
def test_uniform_grids_round_as_the_torch_quantizers(kind, bits, symmetric, rule):
    values = reference.sample(kind, 2048, seed=bits)
    result = reference.apply(values, reference.grid(values, bits, symmetric, rule))
    np.testing.assert_allclose(
        result.rounded, torch_rounded(values, bits, symmetric, rule), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(
    "kind, rule",
    [("softmax", "log2"), *((kind, "adaptive-log") for kind in reference.DISTRIBUTIONS)],
)
def test_logarithmic_grids_round_as_the_torch_quantizers(kind, bits, rule):
    values = reference.sample(kind, 1024, seed=bits)
    result = reference.apply(values, reference.grid(values, bits, False, rule))
    np.testing.assert_allclose(
        result.rounded, torch_rounded(values, bits, False, rule), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("kind", reference.DISTRIBUTIONS)
def test_lsq_learns_the_same_as_torch(kind, bits, symmetric):
    values = reference.sample(kind, 512, seed=0)
    form = IntegerFormat(bits, symmetric)
    x = torch.from_numpy(values).double()
    scale = 2 * x.abs().mean() / math.sqrt(form.qmax)
    start = torch.zeros(()) if symmetric else (-x.min() / scale).clamp(form.qmin, form.qmax)
    log_step = scale.log().clone().requires_grad_()
    zero_point = start.double().clone().requires_grad_(not symmetric)
    learned = [log_step] if symmetric else [log_step, zero_point]
    for iteration in range(reference.LSQ_STEPS):
        out = learned_round(x, log_step.exp(), zero_point, form.qmin, form.qmax)
        gradients = torch.autograd.grad((out - x).square().sum().log(), learned)
        with torch.no_grad():
            for value, gradient in zip(learned, gradients, strict=True):
                value -= reference.LSQ_RATE * (1 - iteration / reference.LSQ_STEPS) * gradient
    grid = reference.grid(values, bits, symmetric, "lsq")
    # Rounding is a threshold: a difference in the last digit may grow.
    assert grid.step == pytest.approx(float(log_step.detach().exp()), rel=1e-3)
    assert grid.zero_point == round(float(zero_point.detach()))
    step, z = torch.tensor(grid.step), torch.tensor(float(grid.zero_point))
    with torch.no_grad():
        out = learned_round(torch.from_numpy(values), step, z, form.qmin, form.qmax)
    np.testing.assert_allclose(reference.apply(values, grid).rounded, out, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["weights", "gelu", "softmax"])  # outliers: a local optimum
def test_learned_ranges_are_close_to_searched_ones(kind):
    values = reference.sample(kind, 4096, seed=0)
    learned, searched = (
        reference.apply(values, reference.grid(values, 4, False, rule)).sqnr_db
        for rule in ("lsq", "mse")
    )
    assert learned > searched - 1.5


@pytest.mark.parametrize("rule", reference.RULES)
@pytest.mark.parametrize("bits", BITS)
def test_a_grid_has_one_level_per_code_and_values_are_rounded_to_levels(bits, rule):
    values = reference.sample("softmax", 1000, seed=0)
    grid = reference.grid(values, bits, False, rule)
    result = reference.apply(values, grid)
    assert len(grid.levels) == len(grid.codes) == 2**bits
    assert (np.diff(grid.levels) > 0).all()
    assert (grid.low, grid.high) == (grid.levels[0], grid.levels[-1])
    level_of = dict(zip(grid.codes.tolist(), grid.levels.tolist(), strict=True))
    expected = [level_of[code] for code in result.codes.tolist()]
    np.testing.assert_allclose(result.rounded, expected, rtol=1e-6, atol=1e-7)


def test_errors_add_up_and_sqnr_follows_from_them():
    values = reference.sample("outliers", 4096, seed=0)
    result = reference.apply(values, reference.grid(values, 4, True, "mse"))
    error = np.mean((result.rounded - values) ** 2)
    assert result.rounding_error + result.clipping_error == pytest.approx(error, rel=1e-5)
    assert result.clipping_error > 0
    assert result.sqnr_db == pytest.approx(10 * np.log10(np.mean(values**2) / error), rel=1e-5)
    beyond = (values > values.dtype.type(7.5) * result.rounded.max() / 7) | (
        values < -8.5 * result.rounded.max() / 7
    )
    assert (result.clipped == beyond).all()


def test_minmax_clips_nothing_but_the_largest_value_on_a_symmetric_grid():
    values = reference.sample("gelu", 4096, seed=0)
    assert not reference.apply(values, reference.grid(values, 4, False, "minmax")).clipped.any()
    # max|x| is 7.5 steps from 0, half a step beyond the last level.
    assert reference.apply(values, reference.grid(values, 4, True, "minmax")).clipped.sum() <= 1


def test_exact_values_have_no_error():
    values = np.zeros(8, np.float32)
    for rule in reference.RULES:
        result = reference.apply(values, reference.grid(values, 4, False, rule))
        assert result.sqnr_db == math.inf or rule == "adaptive-log"
    values = np.arange(16, dtype=np.float32)
    result = reference.apply(values, reference.grid(values, 4, False, "minmax"))
    assert result.codes.tolist() == list(range(16))
    assert result.sqnr_db == math.inf


def test_samples_are_as_described_and_reproducible():
    samples = {kind: reference.sample(kind, 6400, seed=3) for kind in reference.DISTRIBUTIONS}
    for kind, values in samples.items():
        assert values.dtype == np.float32
        assert (values == reference.sample(kind, 6400, seed=3)).all()
        assert (values != reference.sample(kind, 6400, seed=4)).any()
    assert samples["gelu"].min() == pytest.approx(-0.17, abs=1e-3)
    np.testing.assert_allclose(samples["softmax"].reshape(-1, 64).sum(1), 1, rtol=1e-5)
    assert np.abs(samples["weights"]).max() < 0.3
    assert np.abs(samples["outliers"]).max() > 20


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda x: reference.sample("gelo", 4, 0), "did you mean 'gelu'"),
        (lambda x: reference.sample("gelu", 0, 0), "values are 0"),
        (lambda x: reference.grid(x, 4, True, "max"), "unknown rule 'max'"),
        (lambda x: reference.grid(x, 9, True, "mse"), "bits are 9"),
        (lambda x: reference.grid(x[:0], 4, True, "mse"), "at least one"),
        (lambda x: reference.grid(x * np.nan, 4, True, "mse"), "finite"),
        (lambda x: reference.grid(x - 1, 4, False, "log2"), "log2 with values down to -1"),
    ],
)
def test_invalid_inputs_raise(call, words):
    with pytest.raises(OptionError, match=words):
        call(np.zeros(3, np.float32))


def test_the_searches_have_the_names_of_the_torch_searches():
    assert set(EVEN) <= set(range_search.SEARCHES)
