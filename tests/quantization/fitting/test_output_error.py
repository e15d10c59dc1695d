from __future__ import annotations

import pytest
import torch
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.adalog import ADALOG
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.fitting.output_error import _linear, _mixture, least_change, set_by_product
from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer, observing, quantizers
from maskaq.quantization.quantizers.log_base import LogBase


def values(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def started(kind: str, x: Tensor, groups: int = 1, bits: int = 3) -> Quantizer:
    quantizer = QUANTIZERS[kind](bits, groups, "l4")
    quantizer.calibrate(x)
    return quantizer.requires_grad_(False)


def change(quantizer: Quantizer, x: Tensor, other: Tensor) -> float:
    return ((quantizer.quantize(x) - x) @ other).square().sum().item()


@pytest.mark.parametrize("kind", list(QUANTIZERS))
@pytest.mark.parametrize("seed", range(4))
def test_a_range_is_never_worse_than_its_start(kind: str, seed: int) -> None:
    x = values(seed, 300, 16) ** 3
    if kind.startswith("log-"):
        x = (2 * values(seed, 300, 16)).softmax(1)
    other = values(seed + 50, 16, 5)
    quantizer = started(kind, x)
    before = change(quantizer, x, other)
    least_change(quantizer, x, other)
    after = change(quantizer, x, other)
    assert after <= before
    # One number alone is left where it is if its neighbours, 7 % apart, are no better.
    assert after < before or kind == "log-sqrt2"


def test_one_range_for_each_channel_is_moved_as_a_whole() -> None:
    x = values(1, 400, 6) ** 3 * torch.logspace(-1, 1, 6)
    other = values(2, 6, 5)
    quantizer = started("uniform", x, groups=6)
    low, high = quantizer.limits()
    before = change(quantizer, x, other)
    least_change(quantizer, x, other)
    assert change(quantizer, x, other) < before
    spans = (quantizer.limits()[1] - quantizer.limits()[0]) / (high - low)
    assert spans.max() / spans.min() < 1.5  # rounded zero points move the ends a little


def test_what_the_weights_ignore_does_not_count() -> None:
    x = values(3, 500, 4)
    x[:, 3] *= 6
    other = torch.eye(4)[:, :3]
    quantizer = started("uniform", x)
    wide = quantizer.scale.item()  # type: ignore[operator]
    least_change(quantizer, x, other)
    assert quantizer.scale.item() < 0.6 * wide  # type: ignore[operator]


def test_a_range_that_is_right_stays() -> None:
    levels = torch.arange(8.0)[:, None] * 0.25 - 0.5
    quantizer = started("uniform", levels)
    limits = [limit.clone() for limit in quantizer.limits()]
    least_change(quantizer, levels, torch.ones(1, 1))
    assert change(quantizer, levels, torch.ones(1, 1)) == 0
    torch.testing.assert_close(list(quantizer.limits()), limits)


@pytest.mark.parametrize("out", [5, 40])
def test_a_linear_layer_s_change_is_that_of_its_whole_weight(out: int) -> None:
    x, weight = values(4, 2, 30, 12), values(5, out, 12)
    rows, other = _linear(x, weight)
    assert rows.shape == (60, 12)
    assert other.shape == (12, min(out, 12))
    error = values(6, 60, 12)
    torch.testing.assert_close(
        (error @ other).square().sum(), (error @ weight.T).square().sum(), rtol=1e-4, atol=0
    )


def test_no_more_than_2000_tokens_are_looked_at() -> None:
    rows, _ = _linear(values(7, 60, 197, 4), values(8, 4, 4))
    assert 1500 < len(rows) <= 2000
    probs, other = _mixture(values(9, 50, 2, 65, 65), values(10, 50, 2, 65, 8))
    assert 50 * 2 * 20 < probs.shape[0] * probs.shape[1] <= 50 * 2 * 40
    assert other.shape == (100, 65, 8)


@torch.no_grad()
def test_every_layer_of_q_gains_and_the_others_keep_their_search(scenes_p: LoadedModel) -> None:
    images = scenes_p.normalise(scenes("calibration", range(3)).images)
    q = convert(scenes_p.model, QuantOptions(3, 3), ADALOG)
    set_by_product(q, images)
    assert all(quantizer.ready for _, quantizer in quantizers(q))
    names = {quantizer: name for name, quantizer in quantizers(q)}
    gains, values = {}, {}

    def compare(quantizer: Quantizer, x: Tensor) -> None:
        name = names[quantizer]
        if name.endswith("value"):
            values["seen"] = quantizer.quantize(x)
        if name.endswith("softmax"):
            rows, other = _mixture(x, values["seen"])
        elif name.endswith("input_quantizer") and quantizer.groups == 1 and "patch" not in name:
            layer = q.get_submodule(name.removesuffix(".input_quantizer"))
            rows, other = _linear(x, layer.weight_quantizer.quantize(layer.weight))  # type: ignore[operator, arg-type]
        else:
            return
        kind = next(k for k, made in QUANTIZERS.items() if made is type(quantizer))
        start = QUANTIZERS[kind](quantizer.form.bits, quantizer.groups, "l4")
        start.calibrate(x)
        gains[name] = change(quantizer, rows, other) / change(start, rows, other)

    with observing(q, compare):
        q(images)
    assert len(gains) == 6 * 3 + 1
    assert max(gains.values()) <= 1 + 1e-5
    assert sum(gain < 0.99 for gain in gains.values()) > 12
    steps = [m.octaves for m in q.modules() if isinstance(m, LogBase)]
    assert len(steps) == 6
    assert len(set(steps)) > 1  # the base was free
