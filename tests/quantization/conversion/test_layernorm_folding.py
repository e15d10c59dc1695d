import copy

import pytest
import timm
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends.ranges_only import REPQ, set_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layernorm_folding import fold, foldable_norm
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.range_search import Affine, mse

FORM = IntegerFormat(4, signed=False)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(6)).images)


def codes(x: Tensor, affine: Affine) -> Tensor:
    return ((x / affine.scale).round() + affine.zero_point).clamp(FORM.qmin, FORM.qmax)


def pair(channels: int = 12, out: int = 7) -> tuple[nn.LayerNorm, nn.Linear, Tensor]:
    """A LayerNorm with very different channels, the layer after it, and inputs."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        norm, layer = nn.LayerNorm(channels), nn.Linear(channels, out)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
        x = torch.randn(40, channels)
    norm.requires_grad_(False).weight.mul_(torch.logspace(-2, 1, channels))
    return norm, layer.requires_grad_(False), x


def test_folding_equals_the_formula_in_plain_loops() -> None:
    norm, layer, x = pair()
    affine = mse(norm(x), FORM)
    gamma, beta, weight, bias = (
        value.tolist() for value in (norm.weight, norm.bias, layer.weight, layer.bias)
    )
    s, z = affine.scale.tolist(), affine.zero_point.tolist()
    s_t, z_t = sum(s) / len(s), round(sum(z) / len(z))
    folded = fold(norm, layer, affine)
    assert folded.scale.tolist() == pytest.approx([s_t])
    assert folded.zero_point.tolist() == [z_t]
    for channel in range(len(s)):
        r = s[channel] / s_t
        b = -z[channel] * s[channel] / r + z_t * s_t
        assert norm.weight[channel].item() == pytest.approx(gamma[channel] / r, rel=1e-5)
        assert norm.bias[channel].item() == pytest.approx(beta[channel] / r - b, rel=1e-4)
        for row in range(layer.out_features):
            weight[row][channel] *= r
            bias[row] += weight[row][channel] * b
    torch.testing.assert_close(layer.weight, torch.tensor(weight))
    torch.testing.assert_close(layer.bias, torch.tensor(bias), rtol=1e-4, atol=1e-5)


def test_folding_does_not_change_codes_and_outputs() -> None:
    norm, layer, x = pair()
    before = mse(norm(x), FORM)
    expected, out = codes(norm(x), before), layer(norm(x))
    after = fold(norm, layer, before)
    assert len(after.scale) == 1
    assert after.zero_point == after.zero_point.round()
    assert (codes(norm(x), after) == expected).float().mean() > 0.99  # except ties
    torch.testing.assert_close(layer(norm(x)), out, rtol=1e-5, atol=1e-5)


def test_p_computes_the_same_after_folding(scenes_p: LoadedModel, images: Tensor) -> None:
    p = copy.deepcopy(scenes_p.model)
    expected = p(images)
    with torch.no_grad():
        for name, layer in list(p.named_modules()):
            norm = foldable_norm(p, name) if isinstance(layer, nn.Linear) else None
            if norm is not None:
                x = torch.randn(99, norm.weight.numel(), generator=torch.Generator().manual_seed(0))
                before = norm.weight.clone()
                fold(norm, layer, mse(x * norm.weight + norm.bias, FORM))
                assert not torch.equal(norm.weight, before)
    torch.testing.assert_close(p(images), expected, rtol=1e-5, atol=1e-5)


def test_the_layers_after_the_norms_of_each_block_are_folded(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), REPQ)
    folded = {n for n, m in q.named_modules() if isinstance(m, QuantLinear) and m.folded}
    layers = ("attn.qkv", "mlp.fc1")
    assert folded == {f"blocks.{block}.{layer}" for block in range(6) for layer in layers}
    options = QuantOptions(4, 4, layernorm="channel")  # the user's options take precedence
    q = convert(scenes_p.model, options, REPQ)
    assert not [m for m in q.modules() if isinstance(m, QuantLinear) and m.folded]


@torch.no_grad()
def test_a_folded_q_without_its_quantizers_equals_p(scenes_p: LoadedModel, images: Tensor) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), REPQ)
    set_ranges(q, images)
    before = q(images)
    for module in q.modules():
        for name in [n for n, _ in module.named_children() if n.endswith("quantizer")]:
            setattr(module, name, nn.Identity())
        if hasattr(module, "operands"):
            module.operands = nn.ModuleDict()
    expected = scenes_p.model(images)
    torch.testing.assert_close(q(images), expected, rtol=1e-4, atol=1e-4)
    assert (before - expected).abs().mean() > 0.01
    assert not any(m._forward_hooks for m in q.modules())


@torch.no_grad()
def test_folded_ranges_give_the_codes_of_ranges_per_channel(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    """In the first block, whose inputs are the same."""
    both = [
        convert(scenes_p.model, QuantOptions(4, 4, layernorm=kind), REPQ)
        for kind in ("auto", "channel")
    ]
    results = []
    for q in both:
        set_ranges(q, images)
        seen: list[Tensor] = []
        hook = q.blocks[0].norm1.register_forward_hook(lambda *all, seen=seen: seen.append(all[2]))
        q(images)
        hook.remove()
        quantizer = q.blocks[0].attn.qkv.input_quantizer
        results.append(codes(seen[0], Affine(quantizer.scale, quantizer.zero_point)))
    assert both[0].blocks[0].attn.qkv.input_quantizer.groups == 1
    assert (results[0] == results[1]).float().mean() > 0.999


@torch.no_grad()
def test_the_weights_of_a_channel_of_zeros_stay_small(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    p = copy.deepcopy(scenes_p.model)
    p.blocks[0].norm1.weight[5] = p.blocks[0].norm1.bias[5] = 0
    p.blocks[0].norm1.weight.mul_(1e-3)  # so that a step size of 1 would be far from the mean
    q = convert(p, QuantOptions(4, 4), REPQ)
    set_ranges(q, images)
    ratio = q.blocks[0].attn.qkv.weight[:, 5] / p.blocks[0].attn.qkv.weight[:, 5]
    torch.testing.assert_close(ratio, torch.ones_like(ratio), rtol=0.2, atol=0)


@torch.no_grad()
def test_a_layer_without_a_bias_gets_one(images: Tensor) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        p = timm.create_model(
            "vit_tiny_patch16_224", depth=2, num_classes=3, img_size=64, qkv_bias=False
        ).eval()
    assert p.blocks[0].attn.qkv.bias is None
    q = convert(p, QuantOptions(8, 8), REPQ)
    set_ranges(q, images)
    assert p.blocks[0].attn.qkv.bias is None
    assert q.blocks[0].attn.qkv.bias.abs().max() > 0
    error = (q(images) - p(images)).square().mean() / p(images).square().mean()
    assert error < 0.01


def test_a_layernorm_without_weights_keeps_ranges_per_channel() -> None:
    p = timm.create_model(
        "vit_tiny_patch16_224", depth=1, num_classes=3, img_size=32, norm_layer=NormWithoutWeights
    )
    q = convert(p, QuantOptions(4, 4), REPQ)
    assert not q.blocks[0].attn.qkv.folded
    assert q.blocks[0].attn.qkv.input_quantizer.groups == 192


class NormWithoutWeights(nn.LayerNorm):
    def __init__(self, dim: int, **_: object) -> None:
        super().__init__(dim, elementwise_affine=False)


def test_hooks_are_removed_when_a_pass_fails(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), REPQ)
    with pytest.raises(AssertionError):
        set_ranges(q, torch.zeros(1, 3, 32, 32))
    assert not any(module._forward_hooks for module in q.modules())
    assert record(q) is not None
