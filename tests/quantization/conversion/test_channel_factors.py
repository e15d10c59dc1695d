import pytest
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import MSE, calibrated_q, set_ranges
from maskaq.quantization.conversion.channel_factors import scaling_channels
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.base import PerRow, Uniform, calibrating

INTEGER = QuantOptions(8, 8, scheme="integer")


def layer_for(x: Tensor, bits: int = 8) -> QuantLinear:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        source = nn.Linear(x.shape[-1], 9).requires_grad_(False)
    layer = QuantLinear(source, PerRow(bits, 9, "mse"), Uniform(bits, 1, "minmax"), "gelu")
    layer.input_factor = torch.ones(x.shape[-1])
    return layer


def fitted(layer: QuantLinear, x: Tensor) -> QuantLinear:
    with calibrating(layer), scaling_channels(layer):
        layer(x)
    return layer


@pytest.fixture
def outlier() -> Tensor:
    x = torch.randn(4, 30, 16, generator=torch.Generator().manual_seed(0))  # [B,T,C]
    x[..., 5] *= 200
    return x


def error(layer: QuantLinear, x: Tensor, exact: Tensor) -> float:
    return float((layer(x) - exact).square().sum())


def test_a_channel_of_outliers_no_longer_costs_the_others_their_levels(outlier):
    plain = layer_for(outlier)
    exact = nn.functional.linear(outlier, plain.weight, plain.bias)
    plain.input_factor = None
    with calibrating(plain):
        plain(outlier)
    scaled = fitted(layer_for(outlier), outlier)
    assert error(scaled, outlier, exact) < 0.2 * error(plain, outlier, exact)
    assert scaled.input_factor.argmin() == 5


def test_factors_and_weights_cancel(outlier):
    layer = layer_for(outlier)
    exact = nn.functional.linear(outlier, layer.weight, layer.bias)
    fitted(layer, outlier)
    again = nn.functional.linear(outlier * layer.input_factor, layer.weight, layer.bias)
    assert not torch.equal(layer.input_factor, torch.ones(16))
    assert torch.allclose(again, exact, rtol=1e-4, atol=1e-4)


def test_they_follow_the_formula_for_one_of_the_strengths(outlier):
    layer = layer_for(outlier)
    weight = layer.weight.clone()
    fitted(layer, outlier)
    sizes = outlier.flatten(0, 1).abs().amax(0), weight.abs().amax(0)  # [C] each
    x, w = (size / size.max() for size in sizes)
    fits = [
        torch.allclose(1 / layer.input_factor, x**a / w ** (1 - a), rtol=1e-4)
        for a in (0.5, 0.75, 1.0)
    ]
    assert sum(fits) == 1


def test_channels_that_are_alike_stay_as_they_are():
    x = torch.rand(4, 30, 16, generator=torch.Generator().manual_seed(0))  # [B,T,C]
    x[..., :] += 1
    layer = fitted(layer_for(x), x)
    assert torch.equal(layer.input_factor, torch.ones(16))


def test_setting_ranges_again_scales_further_and_still_cancels(outlier):
    layer = layer_for(outlier)
    exact = nn.functional.linear(outlier, layer.weight, layer.bias)
    for _ in range(2):
        fitted(layer, outlier)
    again = nn.functional.linear(outlier * layer.input_factor, layer.weight, layer.bias)
    assert torch.allclose(again, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_integer_scheme_has_one_uniform_grid_per_tensor(scenes_p: LoadedModel, backend):
    q = convert(scenes_p.model, INTEGER, BACKENDS[backend].scheme)
    kinds = {type(one).__name__ for one in q.modules() if hasattr(one, "set_range")}
    assert kinds in ({"PerRow", "Uniform"}, {"PerRow", "Uniform", "LearnedStep"})
    groups = {one.groups for one in q.modules() if hasattr(one, "set_range")
              and not isinstance(one, PerRow)}  # fmt: skip
    assert groups == {1}


def test_the_integer_scheme_does_not_change_what_is_computed(scenes_p: LoadedModel):
    images = scenes_p.normalise(scenes("evaluation", range(40)).images)
    q = calibrated_q(scenes_p.model, INTEGER, MSE, images)
    exact, rounded = scenes_p.model(images), q(images)
    assert (rounded - exact).abs().mean() < 0.05 * exact.abs().mean()
    before = rounded.clone()
    set_ranges(q, images)
    assert (q(images) - before).abs().mean() < 0.05 * exact.abs().mean()
