from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import REPQ, TAILS, set_ranges
from maskaq.quantization.conversion import layernorm_folding
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.conversion.freeze import freeze
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.output_error import set_ranges_by_output
from maskaq.quantization.quantizers.base import QUANTIZERS, Quantizer, quantizers
from maskaq.quantization.quantizers.per_token import PerToken, input_quantizers
from maskaq.quantization.tensor_report import tensor_report

SEPARATE = replace(TAILS, per_token=True)


@pytest.fixture(scope="module")
def inputs(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(4)).images)


def uniform() -> Quantizer:
    return QUANTIZERS["uniform"](3, 1, "minmax")


def test_each_kind_of_token_is_rounded_on_its_own_grid() -> None:
    x = torch.randn(5, 9, 4, generator=torch.Generator().manual_seed(0))
    x[:, :2] *= 10
    both = PerToken(2, uniform)
    for quantizer in input_quantizers(both):
        quantizer.ready.fill_(True)
    both.prefix.calibrate(x[:, :2])
    both.patches.calibrate(x[:, 2:])
    prefix, patches = uniform(), uniform()
    prefix.calibrate(x[:, :2])
    patches.calibrate(x[:, 2:])
    out = both(x)
    assert out.shape == x.shape
    assert torch.equal(out[:, :2], prefix(x[:, :2]))
    assert torch.equal(out[:, 2:], patches(x[:, 2:]))
    assert torch.equal(both(x[:, :2]), out[:, :2])  # without patches


def test_input_quantizers_of_a_single_quantizer() -> None:
    quantizer = uniform()
    assert list(input_quantizers(quantizer)) == [quantizer]


@pytest.mark.parametrize("calibrate", [set_ranges, set_ranges_by_output])
def test_inputs_of_layers_in_blocks_have_two_ranges(
    scenes_p: LoadedModel, inputs: Tensor, calibrate: Callable[[nn.Module, Tensor], None]
) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), SEPARATE)
    calibrate(q, inputs)
    assert all(quantizer.ready for _, quantizer in quantizers(q))
    layers = {name: m for name, m in q.named_modules() if isinstance(m, QuantLinear)}
    for name, layer in layers.items():
        assert isinstance(layer.input_quantizer, PerToken) == name.startswith("blocks.")
    pair = input_quantizers(layers["blocks.0.attn.proj"].input_quantizer)
    assert not torch.equal(*(quantizer.limits()[1] for quantizer in pair))


def error(p: nn.Module, inputs: Tensor, options: QuantOptions, scheme: Scheme) -> float:
    """Mean relative squared error of the class token at the inputs of all layers in blocks."""
    q = convert(p, options, scheme)
    set_ranges(q, inputs)
    errors: list[Tensor] = []

    def measure(layer: nn.Module, args: tuple[Tensor]) -> None:
        x = args[0][:, :1]
        rounded = layer.input_quantizer(args[0])[:, :1]  # type: ignore[operator]
        errors.append((rounded - x).square().mean() / x.square().mean())

    hooks = [
        module.register_forward_pre_hook(measure)
        for name, module in q.named_modules()
        if isinstance(module, QuantLinear) and name.startswith("blocks.")
    ]
    with torch.no_grad():
        q(inputs)
    for hook in hooks:
        hook.remove()
    assert len(errors) == 6 * 4
    return float(torch.stack(errors).mean())


def test_the_class_token_has_a_smaller_error(scenes_p: LoadedModel, inputs: Tensor) -> None:
    """With a separate range and with one for all tokens."""
    separate, common = (
        error(scenes_p.model, inputs, QuantOptions(8, 4), replace(scheme, search="mse"))
        for scheme in (SEPARATE, TAILS)
    )
    assert separate < 0.8 * common


def test_the_class_token_has_a_say_in_what_is_folded(
    scenes_p: LoadedModel, inputs: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    foldable = QuantOptions(8, 4, scheme="foldable")
    heard = error(scenes_p.model, inputs, foldable, SEPARATE)
    monkeypatch.setattr(layernorm_folding, "_PREFIX", 0.0)
    assert heard < 0.95 * error(scenes_p.model, inputs, foldable, SEPARATE)


def test_a_folded_layer_has_one_range_for_each_kind_of_token(
    scenes_p: LoadedModel, inputs: Tensor
) -> None:
    """The ranges of the channels are those of patches, and P's products stay what they are."""
    q = convert(scenes_p.model, QuantOptions(8, 8, scheme="foldable"), SEPARATE)
    set_ranges(q, inputs)
    own = q.get_submodule("blocks.0.attn.qkv").input_quantizer
    assert isinstance(own, PerToken)
    assert [one.groups for one in input_quantizers(own)] == [1, 1]
    assert not torch.equal(*(one.limits()[1] for one in input_quantizers(own)))
    norm, other = (m.get_submodule("blocks.0.norm1") for m in (q, scenes_p.model))
    assert not torch.equal(norm.weight, other.weight)
    with torch.no_grad():
        torch.testing.assert_close(q(inputs), scenes_p.model(inputs), rtol=0, atol=0.5)
        assert torch.equal(freeze(q)(inputs).argmax(-1), q(inputs).argmax(-1))


def test_a_folded_layer_without_such_ranges_has_one(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), REPQ)
    assert not isinstance(q.get_submodule("blocks.0.attn.qkv.input_quantizer"), PerToken)


def test_the_report_has_a_row_for_each_kind_of_token(scenes_p: LoadedModel, inputs: Tensor) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), SEPARATE)
    set_ranges(q, inputs)
    rows = {row.tensor: row for row in tensor_report(q, inputs)}
    for part in ("prefix", "patches"):
        row = rows[f"blocks.1.mlp.fc2.input.{part}"]
        assert (row.role, row.bits, row.grid) == ("gelu", 4, "adaptive-log")
