import pytest
import timm
import torch
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import ModelError, NotCalibratedError
from maskaq.models.attention import attention_modules, record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import MINMAX, MSE, calibrated_q
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantConv2d
from maskaq.quantization.quantizers.base import PerRow, Uniform, calibrating, observing, quantizers
from maskaq.quantization.quantizers.logarithmic import LogSqrt2
from tests.support.families import family

W4A4 = QuantOptions(4, 4)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("evaluation", range(4)).images)


def test_p_is_not_changed(scenes_p: LoadedModel, images: Tensor) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    kinds = [type(module) for module in scenes_p.model.modules()]
    calibrated_q(scenes_p.model, W4A4, MSE, images)
    assert [type(module) for module in scenes_p.model.modules()] == kinds
    after = scenes_p.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_every_matrix_product_has_both_operands_quantized(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, W4A4, MSE)
    names = [name for name, _ in quantizers(q)]
    blocks = len(scenes_p.model.blocks)
    # per block: weight and input of 4 linear layers; query, key, value and softmax output
    assert len(names) == blocks * (4 * 2 + 4) + 2 * 2
    assert not [m for m in q.modules() if type(m) in (torch.nn.Linear, torch.nn.Conv2d)]


@pytest.mark.parametrize("first_last, ends", [("8", 8), ("target", 3)])
def test_first_and_last_layers_have_the_bits_of_the_options(
    scenes_p: LoadedModel, first_last: str, ends: int
) -> None:
    q = convert(scenes_p.model, QuantOptions(3, 5, first_last=first_last), MSE)
    bits = {name: quantizer.form.bits for name, quantizer in quantizers(q)}
    assert bits["head.weight_quantizer"] == bits["patch_embed.proj.weight_quantizer"] == ends
    assert bits["head.input_quantizer"] == (8 if first_last == "8" else 5)
    assert bits["patch_embed.proj.input_quantizer"] == 8
    assert bits["blocks.2.mlp.fc1.weight_quantizer"] == 3
    assert bits["blocks.2.attn.operands.softmax"] == 5


def test_explicit_options_override_the_scheme(scenes_p: LoadedModel) -> None:
    options = QuantOptions(4, 4, softmax="uniform", layernorm="tensor")
    by_name = dict(quantizers(convert(scenes_p.model, options, MSE)))
    assert type(by_name["blocks.0.attn.operands.softmax"]) is Uniform
    assert by_name["blocks.0.attn.qkv.input_quantizer"].groups == 1
    options = QuantOptions(4, 4, softmax="log-sqrt2", layernorm="channel")
    by_name = dict(quantizers(convert(scenes_p.model, options, MINMAX)))
    assert type(by_name["blocks.0.attn.operands.softmax"]) is LogSqrt2
    assert by_name["blocks.0.attn.qkv.input_quantizer"].groups == 192


@pytest.mark.parametrize("bits, logarithmic", [(3, True), (5, True), (6, False), (8, False)])
def test_softmax_levels_are_logarithmic_only_with_few_bits(
    scenes_p: LoadedModel, bits: int, logarithmic: bool
) -> None:
    by_name = dict(quantizers(convert(scenes_p.model, QuantOptions(8, bits), MSE)))
    assert isinstance(by_name["blocks.0.attn.operands.softmax"], LogSqrt2) == logarithmic


def test_q_is_close_to_p_at_8_bits_and_further_with_fewer(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    logits = scenes_p.model(images)
    errors = []
    for bits in (8, 4, 2):
        options = QuantOptions(bits, bits, softmax="uniform")
        q = calibrated_q(scenes_p.model, options, MSE, images)
        errors.append(((q(images) - logits).square().sum() / logits.square().sum()).item())
    assert errors[0] < 0.01
    assert errors[0] < errors[1] < errors[2]


def test_q_without_its_quantizers_equals_p(scenes_p: LoadedModel, images: Tensor) -> None:
    """The attention and the layers of Q compute the same as P's."""
    q = calibrated_q(scenes_p.model, W4A4, MSE, images)
    for name, _ in list(quantizers(q)):
        q.set_submodule(name, torch.nn.Identity())
    torch.testing.assert_close(q(images), scenes_p.model(images), rtol=1e-4, atol=1e-4)


def test_an_uncalibrated_q_raises(scenes_p: LoadedModel, images: Tensor) -> None:
    with pytest.raises(NotCalibratedError):
        convert(scenes_p.model, W4A4, MSE)(images)


def test_observers_are_removed_after_an_exception(scenes_p: LoadedModel, images: Tensor) -> None:
    q = calibrated_q(scenes_p.model, W4A4, MSE, images)

    def fail(*_: object) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError), observing(q, fail):
        q(images)
    assert all(quantizer.observer is None for _, quantizer in quantizers(q))


def test_a_model_without_attention_raises() -> None:
    resnet = timm.create_model("resnet18", num_classes=2)
    with pytest.raises(ModelError, match="ResNet computes no attention that can be quantized"):
        convert(resnet, W4A4, MSE)


def test_recording_q_gives_its_own_attention(scenes_p: LoadedModel, images: Tensor) -> None:
    q = calibrated_q(scenes_p.model, QuantOptions(2, 2), MSE, images)
    plain = q(images)
    with record(q) as maps_q:
        assert torch.equal(q(images), plain)
    with record(scenes_p.model) as maps_p:
        scenes_p.model(images)
    assert len(maps_q) == len(maps_p) == 6
    assert maps_q[3].probs.shape == maps_p[3].probs.shape == (4, 6, 65, 65)
    assert (maps_q[3].probs - maps_p[3].probs).abs().max() > 0.01


def test_q_is_recorded_although_p_never_was() -> None:
    p = family("vit patch 8")
    q = convert(p, W4A4, MSE)
    assert len(attention_modules(q)) == 2


def test_a_quantized_convolution_computes_and_describes_itself_as_its_source() -> None:
    source = torch.nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2), groups=2)
    layer = QuantConv2d(source, PerRow(8, 6, "mse"), Uniform(8, 1, "minmax"), "image")
    for name in ("in_channels", "out_channels", "kernel_size", "stride", "padding", "groups"):
        assert getattr(layer, name) == getattr(source, name)
    x = torch.randn(2, 4, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), calibrating(layer):
        torch.testing.assert_close(layer(x), source(x), atol=0.05, rtol=0.05)
