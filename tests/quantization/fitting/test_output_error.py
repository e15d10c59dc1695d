import pytest
import torch
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import ADALOG
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.fitting.output_error import (
    _linear_operands,
    _softmax_operands,
    minimise_output_error,
    set_ranges_by_output,
)
from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer, observing, quantizers
from maskaq.quantization.quantizers.logarithmic import LogBase


def values(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def calibrated(kind: str, x: Tensor, groups: int = 1, bits: int = 3) -> Quantizer:
    quantizer = QUANTIZERS[kind](bits, groups, "l4")
    quantizer.calibrate(x)
    return quantizer.requires_grad_(False)


def output_error(quantizer: Quantizer, x: Tensor, other: Tensor) -> float:
    squares = ((quantizer.quantize(x) - x) @ other).square().sum(-1)
    return (squares / (x @ other).norm(dim=-1).clamp(min=1e-12)).sum().item()


@pytest.mark.parametrize("kind", list(QUANTIZERS))
@pytest.mark.parametrize("seed", range(4))
def test_a_range_never_gets_worse(kind: str, seed: int) -> None:
    x = values(seed, 300, 16) ** 3
    if kind.startswith("log-"):
        x = (2 * values(seed, 300, 16)).softmax(1)
    other = values(seed + 50, 16, 5)
    quantizer = calibrated(kind, x)
    before = output_error(quantizer, x, other)
    minimise_output_error(quantizer, x, other)
    after = output_error(quantizer, x, other)
    assert after <= before
    # A single parameter may already be the best of its neighbours, which differ by 7 %.
    assert after < before or kind == "log-sqrt2"


def test_ranges_per_channel_are_scaled_together() -> None:
    x = values(1, 400, 6) ** 3 * torch.logspace(-1, 1, 6)
    other = values(2, 6, 5)
    quantizer = calibrated("uniform", x, groups=6)
    low, high = quantizer.limits()
    before = output_error(quantizer, x, other)
    minimise_output_error(quantizer, x, other)
    assert output_error(quantizer, x, other) < before
    spans = (quantizer.limits()[1] - quantizer.limits()[0]) / (high - low)
    assert spans.max() / spans.min() < 1.5  # rounded zero points move the ends a little


def test_channels_that_the_weights_ignore_do_not_count() -> None:
    x = values(3, 500, 4)
    x[:, 3] *= 6
    other = torch.eye(4)[:, :3]
    quantizer = calibrated("uniform", x)
    wide = quantizer.scale.item()  # type: ignore[operator]
    minimise_output_error(quantizer, x, other)
    assert quantizer.scale.item() < 0.6 * wide  # type: ignore[operator]


@pytest.mark.parametrize("seed", range(4))
def test_a_few_massive_tokens_do_not_decide_alone(seed: int) -> None:
    x = values(seed, 400, 64)
    massive = torch.arange(400) % 50 == 0
    x[massive, 0] = torch.linspace(45, 100, 8)
    x, other = x.relu(), values(seed + 50, 64, 5)
    quantizer = calibrated("adaptive-log", x)
    minimise_output_error(quantizer, x, other)
    rounded = quantizer.quantize(x)
    kept = torch.nn.functional.cosine_similarity(rounded, x, dim=1)
    assert kept[~massive].mean() > 0.952  # 0.948 where every squared error counts alike
    assert rounded[massive, 0].min() > 20


def test_an_exact_range_does_not_change() -> None:
    levels = torch.arange(8.0)[:, None] * 0.25 - 0.5
    quantizer = calibrated("uniform", levels)
    limits = [limit.clone() for limit in quantizer.limits()]
    minimise_output_error(quantizer, levels, torch.ones(1, 1))
    assert output_error(quantizer, levels, torch.ones(1, 1)) == 0
    torch.testing.assert_close(list(quantizer.limits()), limits)


@pytest.mark.parametrize("out", [5, 40])
def test_the_linear_operands_give_the_error_of_the_whole_weight(out: int) -> None:
    x, weight = values(4, 2, 30, 12), values(5, out, 12)
    rows, other = _linear_operands(x, weight)
    assert rows.shape == (60, 12)
    assert other.shape == (12, min(out, 12))
    error = values(6, 60, 12)
    torch.testing.assert_close(
        (error @ other).square().sum(), (error @ weight.T).square().sum(), rtol=1e-4, atol=0
    )


def test_at_most_500_tokens_are_used() -> None:
    rows, _ = _linear_operands(values(7, 60, 197, 4), values(8, 4, 4))
    assert 400 < len(rows) <= 500
    probs, other = _softmax_operands(values(9, 50, 2, 65, 65), values(10, 50, 2, 65, 8))
    assert 50 * 2 * 5 < probs.shape[0] * probs.shape[1] <= 50 * 2 * 10
    assert other.shape == (100, 65, 8)


@torch.no_grad()
def test_layers_of_q_gain_over_their_own_search(scenes_p: LoadedModel) -> None:
    images = scenes_p.normalise(scenes("calibration", range(3)).images)
    q = convert(scenes_p.model, QuantOptions(3, 3), ADALOG)
    set_ranges_by_output(q, images)
    assert all(quantizer.ready for _, quantizer in quantizers(q))
    names = {quantizer: name for name, quantizer in quantizers(q)}
    gains, seen = {}, {}

    def compare(quantizer: Quantizer, x: Tensor) -> None:
        name = names[quantizer]
        if name.endswith("value"):
            seen["values"] = quantizer.quantize(x)
        if name.endswith("softmax"):
            rows, other = _softmax_operands(x, seen["values"])
        elif name.endswith("input_quantizer") and quantizer.groups == 1 and "patch" not in name:
            layer = q.get_submodule(name.removesuffix(".input_quantizer"))
            rows, other = _linear_operands(x, layer.weight_quantizer.quantize(layer.weight))  # type: ignore[operator, arg-type]
        else:
            return
        kind = next(k for k, cls in QUANTIZERS.items() if cls is type(quantizer))
        start = QUANTIZERS[kind](quantizer.form.bits, quantizer.groups, "l4")
        start.calibrate(x)
        gains[name] = output_error(quantizer, rows, other) / output_error(start, rows, other)

    with observing(q, compare):
        q(images)
    assert len(gains) == 6 * 3 + 1
    assert max(gains.values()) <= 1 + 1e-5
    assert sum(gain < 0.99 for gain in gains.values()) > 12
    steps = [m.octaves for m in q.modules() if isinstance(m, LogBase)]
    assert len(steps) == 6
    assert len(set(steps)) > 1  # the base is searched
