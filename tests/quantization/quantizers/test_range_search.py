import numpy as np
import pytest
import torch

from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.range_search import (
    affine_from,
    fake_quantize,
    mse,
    percentile,
)
from tests.support.quantizers import values


def test_mse_is_never_worse_than_minmax_and_clips_outliers() -> None:
    x = values(3, 4000, 2)
    x[0] = 100
    form = IntegerFormat(4, signed=False)
    chosen, minmax = mse(x, form), affine_from(*x.aminmax(dim=0), form)
    errors = [(fake_quantize(x, a, form) - x).square().mean(0) for a in (chosen, minmax)]
    assert (errors[0] < errors[1]).all()
    assert (chosen.scale < minmax.scale).all()


def test_mse_is_the_best_of_all_shrunk_ranges() -> None:
    x = values(4, 300, 1)
    form = IntegerFormat(3, signed=False)
    chosen = (fake_quantize(x, mse(x, form), form) - x).square().mean()
    low, high = x.aminmax(dim=0)
    trials = [
        (fake_quantize(x, affine_from(low * f, high * f, form), form) - x).square().mean()
        for f in torch.linspace(1, 0.15, 30).tolist()
    ]
    assert chosen == min(trials)


@pytest.mark.parametrize("bits, signed", [(3, False), (4, False), (4, True)])
def test_percentile_is_the_best_of_four_quantiles_per_channel(bits: int, signed: bool) -> None:
    x = values(10, 3000, 3) * torch.tensor([1.0, 10.0, 0.1])
    form = IntegerFormat(bits, signed)
    chosen = percentile(x, form)
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
        assert chosen.scale[channel].item() == pytest.approx(best.scale.item(), rel=1e-3)
        assert abs(chosen.zero_point[channel].item() - best.zero_point.item()) <= (not signed)
