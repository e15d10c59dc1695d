import torch
from torch import nn

from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.adaround import SoftRounding
from maskaq.quantization.quantizers.base import PerRow


def quant_linear(bits: int = 3) -> QuantLinear:
    torch.manual_seed(0)
    source = nn.Linear(6, 4)
    weight = PerRow(bits, 4, "mse")
    weight.calibrate(source.weight)
    return QuantLinear(source, weight, nn.Identity()).requires_grad_(False)  # type: ignore[arg-type]


def test_soft_rounding_starts_at_the_weights_and_finishes_on_the_levels() -> None:
    layer = quant_linear()
    before, source = layer.weight.clone(), layer.weight_quantizer
    soft = SoftRounding(layer)
    scale = source.scale[:, None]
    inside = (before / scale >= source.form.qmin) & (before / scale <= source.form.qmax)
    error = (layer.weight_quantizer(layer.weight) - before).abs() / scale
    assert error[inside].max() < 0.011  # h starts at least 1 % from 0 and 1
    soft.choice.data.neg_()
    soft.finish()
    assert layer.weight_quantizer is source
    torch.testing.assert_close(source(layer.weight), layer.weight)
    codes = (layer.weight / scale).round()
    assert codes.min() >= source.form.qmin
    assert codes.max() <= source.form.qmax
    floor = (before / scale).floor().clamp(source.form.qmin, source.form.qmax)
    assert set((codes - floor).unique().tolist()) <= {0.0, 1.0}


def test_the_regulariser_pushes_h_to_the_nearest_end() -> None:
    soft = SoftRounding(quant_linear())
    h = soft.h().detach()
    expected = 1 - (2 * h - 1).abs().pow(3).mean()
    torch.testing.assert_close(soft.regulariser(3.0).detach(), expected)
    optimiser = torch.optim.Adam([soft.choice], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        soft.regulariser(2.0).backward()
        optimiser.step()
    assert soft.regulariser(2.0) < 0.05  # one weight starts at 0.5 and stays there
    same_side = (h > 0.5) == (soft.h() > 0.5)
    assert same_side[(h - 0.5).abs() > 0.01].all()
