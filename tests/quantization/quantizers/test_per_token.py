from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import TAILS, set_ranges
from maskaq.quantization.backends.repq import REPQ
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.output_error import set_by_product
from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer, quantizers
from maskaq.quantization.quantizers.per_token import ByToken, parts
from maskaq.quantization.tensor_report import tensor_report

APART = replace(TAILS, apart=True)


@pytest.fixture(scope="module")
def inputs(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(4)).images)


def uniform() -> Quantizer:
    return QUANTIZERS["uniform"](3, 1, "minmax")


def test_each_kind_of_token_is_rounded_on_its_own_grid() -> None:
    x = torch.randn(5, 9, 4, generator=torch.Generator().manual_seed(0))
    x[:, :2] *= 10
    both = ByToken(2, uniform)
    for part in parts(both):
        part.ready.fill_(True)
    both.prefix.calibrate(x[:, :2])
    both.patches.calibrate(x[:, 2:])
    first, second = uniform(), uniform()
    first.calibrate(x[:, :2])
    second.calibrate(x[:, 2:])
    found = both(x)
    assert found.shape == x.shape
    assert torch.equal(found[:, :2], first(x[:, :2]))
    assert torch.equal(found[:, 2:], second(x[:, 2:]))
    assert torch.equal(both(x[:, :2]), found[:, :2])  # patches that nobody reads


def test_what_is_no_such_pair_is_its_own_part() -> None:
    one = uniform()
    assert list(parts(one)) == [one]


@pytest.mark.parametrize("setting", [set_ranges, set_by_product])
def test_inputs_of_the_blocks_layers_have_two_ranges(
    scenes_p: LoadedModel, inputs: Tensor, setting: Callable[[nn.Module, Tensor], None]
) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), APART)
    setting(q, inputs)
    assert all(quantizer.ready for _, quantizer in quantizers(q))
    layers = {name: m for name, m in q.named_modules() if isinstance(m, QuantLinear)}
    for name, layer in layers.items():
        assert isinstance(layer.input_quantizer, ByToken) == name.startswith("blocks.")
    ends = [part.limits()[1] for part in parts(layers["blocks.0.attn.proj"].input_quantizer)]
    assert not torch.equal(*ends)


def test_the_class_token_loses_less(scenes_p: LoadedModel, inputs: Tensor) -> None:
    """Its error, in parts of its power, with a range of its own and with one for all tokens."""

    def error(scheme: Scheme) -> float:
        q = convert(scenes_p.model, QuantOptions(8, 4), scheme)
        set_ranges(q, inputs)
        found: list[Tensor] = []

        def measure(layer: nn.Module, args: tuple[Tensor]) -> None:
            x = args[0][:, :1]
            rounded = layer.input_quantizer(args[0])[:, :1]  # type: ignore[operator]
            found.append((rounded - x).square().mean() / x.square().mean())

        hooks = [
            module.register_forward_pre_hook(measure)
            for name, module in q.named_modules()
            if isinstance(module, QuantLinear) and name.startswith("blocks.")
        ]
        with torch.no_grad():
            q(inputs)
        for hook in hooks:
            hook.remove()
        assert len(found) == 6 * 4
        return float(torch.stack(found).mean())

    apart, alike = (error(replace(made, search="mse")) for made in (APART, TAILS))
    assert apart < 0.8 * alike


def test_a_folded_layer_keeps_one_range(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), replace(REPQ, apart=True))
    assert not isinstance(q.get_submodule("blocks.0.attn.qkv.input_quantizer"), ByToken)
    assert isinstance(q.get_submodule("blocks.0.attn.proj.input_quantizer"), ByToken)


def test_the_report_names_both(scenes_p: LoadedModel, inputs: Tensor) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), APART)
    set_ranges(q, inputs)
    rows = {row.tensor: row for row in tensor_report(q, inputs)}
    for part in ("prefix", "patches"):
        row = rows[f"blocks.1.mlp.fc2.input.{part}"]
        assert (row.role, row.bits, row.grid) == ("gelu", 4, "adaptive-log")
