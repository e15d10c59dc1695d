import math

import pytest
import torch

from maskaq.quantization.quantizers.logarithmic import LogBase, LogSqrt2
from tests.support.quantizers import calibrated, values


def check_levels(quantizer: LogSqrt2, bits: int, octaves: float) -> None:
    """Levels are 0.5 * 2^(-octaves code), and 0 for the last code."""
    quantizer.delta.fill_(0.5)
    quantizer.ready.fill_(True)
    exact = 0.5 * 2.0 ** (-torch.arange(2**bits - 1) * octaves)
    torch.testing.assert_close(quantizer(exact[:, None])[:, 0], exact)
    beyond = 0.5 * 2.0 ** (-(2**bits) * octaves)
    assert quantizer(torch.tensor([[beyond], [0.0]])).flatten().tolist() == [0.0, 0.0]
    assert quantizer(torch.tensor([[0.9]])).item() == pytest.approx(0.5)


@pytest.mark.parametrize("bits", range(2, 9))
def test_log_sqrt2_is_exact_at_its_levels(bits: int) -> None:
    check_levels(LogSqrt2(bits, 1, "mse"), bits, 0.5)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("octaves", [0.25, 0.5, 1.0])
def test_log_base_is_exact_at_its_levels(bits: int, octaves: float) -> None:
    quantizer = LogBase(bits, 1, "mse")
    quantizer.step.fill_(octaves)
    check_levels(quantizer, bits, octaves)


def test_log_base_starts_as_log_sqrt2() -> None:
    x = torch.softmax(values(6, 50, 20) * 2, 1).reshape(-1, 1)
    assert torch.equal(calibrated("log-base", 3, x)(x), calibrated("log-sqrt2", 3, x)(x))


def test_delta_of_log_sqrt2_is_the_best_of_twenty() -> None:
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
