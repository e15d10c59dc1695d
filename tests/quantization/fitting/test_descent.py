"""Coordinate descent: only better codes, none of which can be improved alone."""

import pytest
import torch
from torch import Tensor

from maskaq.quantization.fitting import descent
from maskaq.quantization.fitting.descent import descend
from maskaq.quantization.fitting.gptq import gptq_levels

LOW, HIGH = -2, 1  # of two bits


def problem(channels: int, rows: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    """A weight, a covariance with strong correlations, and step sizes."""
    generator = torch.Generator().manual_seed(channels)
    weight = torch.randn(rows, channels, generator=generator, dtype=torch.float64)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    hessian = mixing @ mixing.T / channels + 0.1 * torch.eye(channels)
    return weight, hessian, weight.abs().amax(1, keepdim=True) / 2


def error(weight: Tensor, levels: Tensor, hessian: Tensor) -> Tensor:
    """Squared error of the outputs, for each row."""
    return (((weight - levels) @ hessian) * (weight - levels)).sum(1)


@pytest.mark.parametrize("channels", [5, 150])  # one block of columns, and several
def test_no_row_gets_worse_and_most_get_better(channels: int) -> None:
    weight, hessian, step = problem(channels)
    before = gptq_levels(weight, hessian, step, LOW, HIGH)
    levels, steps = descend(weight, before, step, hessian, LOW, HIGH)
    old, new = error(weight, before, hessian), error(weight, levels, hessian)
    assert (new <= old + 1e-9).all()
    assert new.sum() < 0.9 * old.sum()
    codes = levels / steps
    torch.testing.assert_close(codes, codes.round(), rtol=0, atol=1e-9)
    assert codes.min() >= LOW - 1e-9
    assert codes.max() <= HIGH + 1e-9


@pytest.mark.parametrize("channels", [5, 150])
def test_at_the_end_no_single_code_can_be_improved(
    channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descent, "_PASSES", 100)
    weight, hessian, step = problem(channels)
    start = gptq_levels(weight, hessian, step, LOW, HIGH)
    levels, steps = descend(weight, start, step, hessian, LOW, HIGH)
    least = error(weight, levels, hessian)
    for column in range(channels):
        for move in (-1, 1):
            other = levels.clone()
            other[:, column] += move * steps[:, 0]
            code = (other[:, column] / steps[:, 0]).round()
            allowed = (code >= LOW) & (code <= HIGH)
            assert (error(weight, other, hessian)[allowed] >= least[allowed] - 1e-9).all()
    for factor in (0.999, 1.001):  # the step sizes are the best for these codes
        assert (error(weight, factor * levels, hessian) >= least).all()


def test_a_step_does_not_become_negative() -> None:
    weight, hessian, step = problem(5)
    opposite = -(weight / step).round().clamp(-1, 1) * step
    assert torch.equal(descent._least_squares(weight, opposite / step, hessian, step)[:3], step[:3])
    levels, steps = descend(weight, opposite, step, hessian, LOW, HIGH)
    assert (steps > 0).all()
    assert (error(weight, levels, hessian) < error(weight, opposite, hessian)).all()


def test_a_row_of_zeros_keeps_its_step() -> None:
    weight, hessian, step = problem(5)
    weight[0] = 0
    levels, steps = descend(weight, torch.zeros_like(weight), step, hessian, LOW, HIGH)
    assert levels[0].abs().max() == 0
    assert steps[0] == step[0]
    assert steps.isfinite().all()
