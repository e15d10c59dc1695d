"""Observed attention against plain loops, and recorded models against unrecorded ones."""

import math

import pytest
import timm
import torch
from timm.models.deit import VisionTransformerDistilled
from timm.models.swin_transformer_v2 import WindowAttention
from timm.models.vision_transformer import Attention, VisionTransformer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from maskaq.errors import ModelError
from maskaq.models.attention import attention_modules, maps_of, observe, record
from maskaq.quantization.conversion.layers import quantize_attention

SHAPE = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_classes": 5}


def small(**options: object) -> VisionTransformer:
    torch.manual_seed(0)
    return VisionTransformer(**{**SHAPE, "num_heads": 3, **options}).eval()


MODELS = {
    "class token": lambda: (small(), 1),
    "no class token": lambda: (small(class_token=False, global_pool="avg"), 0),
    "registers": lambda: (small(reg_tokens=4, no_embed_class=True), 5),
    "query and key norm": lambda: (small(qk_norm=True, scale_attn_norm=True), 1),
    "attention pooling": lambda: (small(global_pool="map", class_token=False), 0),
    "distilled": lambda: (VisionTransformerDistilled(**SHAPE, num_heads=3).eval(), 2),
}


def by_loops(module: Attention, x: Tensor, scale_of: dict[str, float]) -> tuple[Tensor, ...]:
    """One query, one head, one image at a time; each operand multiplied by its scale."""
    batch, tokens, width = x.shape
    count, size = module.num_heads, module.head_dim
    logits = torch.zeros(batch, count, tokens, tokens)
    probs, heads = torch.zeros_like(logits), torch.zeros(batch, count, tokens, size)
    out = torch.zeros_like(x)
    for b in range(batch):
        rows = [module.qkv.weight @ x[b, t] + module.qkv.bias for t in range(tokens)]
        for h in range(count):
            part = slice(h * size, (h + 1) * size)
            query = [module.q_norm(row[:width][part]) * scale_of["query"] for row in rows]
            key = [module.k_norm(row[width : 2 * width][part]) * scale_of["key"] for row in rows]
            value = [row[2 * width :][part] * scale_of["value"] for row in rows]
            for t in range(tokens):
                for s in range(tokens):
                    logits[b, h, t, s] = query[t].dot(key[s]) / math.sqrt(size)
                weights = logits[b, h, t].exp() / logits[b, h, t].exp().sum()
                probs[b, h, t] = weights
                for s in range(tokens):
                    heads[b, h, t] += weights[s] * scale_of["softmax"] * value[s]
        for t in range(tokens):
            joined = torch.cat([heads[b, h, t] for h in range(count)])
            out[b, t] = module.proj.weight @ module.norm(joined) + module.proj.bias
    return out, logits, probs, heads


@pytest.mark.parametrize("changed", ["none", "query", "key", "value", "softmax"])
@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("fused", [False, True])
@torch.no_grad()
def test_attention_matches_the_formula(changed: str, norms: bool, fused: bool) -> None:
    torch.manual_seed(1)
    module = Attention(
        12, num_heads=3, qkv_bias=True, qk_norm=norms, scale_norm=norms, norm_layer=nn.LayerNorm
    ).eval()
    module.fused_attn = fused
    x = torch.randn(2, 5, 12)
    scales = {
        name: 1.7 if name == changed else 1.0 for name in ("query", "key", "value", "softmax")
    }
    operands = {} if changed == "none" else {changed: lambda operand: operand * 1.7}
    out, maps = observe(module, module.forward, operands, (x,), {})
    for computed, expected in zip((out, *maps[:3]), by_loops(module, x, scales), strict=True):
        torch.testing.assert_close(computed, expected, rtol=1e-5, atol=1e-5)
    assert module.fused_attn == fused
    if changed == "none":
        torch.testing.assert_close(out, module(x))


@pytest.mark.parametrize("kind", MODELS)
@torch.no_grad()
def test_recording_does_not_change_the_output(kind: str) -> None:
    model, prefix = MODELS[kind]()
    images = torch.randn(2, 3, 32, 32)
    before = model(images)
    attention_modules(model)  # notes where they are
    attributes = [set(vars(module)) for module in model.modules()]
    with record(model) as maps:
        recorded = model(images)
    torch.testing.assert_close(recorded, before)
    assert torch.equal(model(images), before)
    assert [set(vars(module)) for module in model.modules()] == attributes
    tokens = 16 + prefix
    assert len(maps) == 3
    for block in maps:
        assert block.logits.shape == block.probs.shape == (2, 3, tokens, tokens)
        assert block.heads.shape == (2, 3, tokens, 8)
        torch.testing.assert_close(block.probs.sum(-1), torch.ones(2, 3, tokens))
        torch.testing.assert_close(block.logits.softmax(-1), block.probs)


@torch.no_grad()
def test_each_pass_replaces_the_maps() -> None:
    model, first, second = small(), torch.randn(1, 3, 32, 32), torch.randn(2, 3, 32, 32)
    with record(model) as maps:
        model(second)
        alone = [block.probs for block in maps]
        model(first)
        model(second)
    assert len(maps) == 3
    assert all(
        torch.equal(block.probs, expected) for block, expected in zip(maps, alone, strict=True)
    )


class _Kernels(TorchFunctionMode):
    """Counts the calls of the fused kernel."""

    calls = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.calls += func is torch.nn.functional.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def test_the_fused_kernel_runs_only_outside_the_context() -> None:
    model, images = small(), torch.randn(1, 3, 32, 32)
    for module in attention_modules(model):
        module.fused_attn = True
    with _Kernels() as kernels:
        with record(model):
            model(images)
        assert kernels.calls == 0
        model(images)
    assert kernels.calls == 3


def test_maps_are_differentiable() -> None:
    model = small().requires_grad_(False)
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    with record(model) as maps:
        model(images)
    for block in maps:
        for part in (block.logits, block.probs[..., :1], block.heads):
            (gradient,) = torch.autograd.grad(part.square().sum(), images, retain_graph=True)
            assert gradient.abs().sum() > 0


@pytest.mark.parametrize("blocks", [1, 2, None])
def test_maps_of_the_first_blocks_equal_those_of_a_full_pass(blocks: int | None) -> None:
    model, images = small(), torch.randn(2, 3, 32, 32)
    after: list[nn.Module] = []
    for block in model.blocks:
        block.mlp.register_forward_hook(lambda module, *_: after.append(module))
    with record(model) as maps:
        model(images)
    after.clear()
    found = maps_of(model, images, blocks)
    count = blocks or 3
    assert len(found) == count
    assert len(after) == count - 1  # nothing after the last attention that is needed
    for one, whole in zip(found, maps, strict=False):
        assert torch.equal(one.probs, whole.probs)
    assert not any("forward" in vars(module) for module in model.modules())


def test_an_exception_restores_the_model() -> None:
    model = small()
    with pytest.raises(KeyError, match="stop"), record(model):
        raise KeyError("stop")
    with pytest.raises(AssertionError), record(model):
        model(torch.zeros(1, 3, 8, 8))
    assert not any("forward" in vars(module) for module in model.modules())


def test_a_second_recording_is_refused_and_the_first_continues() -> None:
    model, other, images = small(), small(), torch.zeros(1, 3, 32, 32)
    with record(model) as maps:
        with pytest.raises(
            ModelError, match=r"already being recorded; leave the other record\(model\)"
        ):
            record(model).__enter__()
        with record(other) as others:
            other(images)
        model(images)
        assert len(maps) == len(others) == 3
    with record(model) as again:
        model(images)
    assert len(again) == 3


@torch.no_grad()
def test_a_quantized_attention_is_recorded_with_its_operands() -> None:
    model, images = small(), torch.randn(2, 3, 32, 32)
    plain, keys = model(images), set(model.state_dict())
    for module in attention_modules(model):
        quantize_attention(
            module, lambda name: nn.Hardtanh(-0.1, 0.1) if name == "value" else nn.Identity()
        )
    quantized = model(images)
    with record(model) as maps:
        recorded = model(images)
    assert torch.equal(recorded, quantized)
    assert not torch.allclose(recorded, plain)
    assert len(maps) == 3
    assert maps[0].heads.abs().max() <= 0.1 + 1e-6
    assert set(model.state_dict()) == keys


def test_models_without_supported_attention_are_refused() -> None:
    resnet = timm.create_model("resnet18")
    with pytest.raises(ModelError, match=r"ResNet has no attention .* supported: backbones"):
        attention_modules(resnet)
    with pytest.raises(ModelError, match="ResNet"), record(resnet):
        pass
    with pytest.raises(ModelError, match="Linear has no attention"):
        attention_modules(nn.Linear(2, 2))


def test_causal_attention_is_refused() -> None:
    module, x = Attention(12, num_heads=3).eval(), torch.zeros(1, 4, 12)
    with pytest.raises(ModelError, match="causal and grouped-query attention"):
        observe(module, module.forward, {}, (x,), {"is_causal": True})
    layer = nn.Linear(12, 12)
    with pytest.raises(ModelError, match="Linear did not compute attention"):
        observe(layer, layer.forward, {}, (x,), {})


@pytest.mark.parametrize("kind", [Attention, WindowAttention], ids=["kernel", "steps"])
def test_values_are_quantized_before_the_softmax(kind: type[nn.Module]) -> None:
    """The search for the range of the softmax uses the quantized values."""
    options = {"window_size": (2, 2)} if kind is WindowAttention else {}
    module, x, called = kind(12, num_heads=3, **options).eval(), torch.randn(1, 4, 12), []
    names = ("softmax", "value", "key", "query")
    operands = {name: lambda x, name=name: called.append(name) or x for name in names}
    observe(module, module.forward, operands, (x,), {})
    assert called == ["query", "key", "value", "softmax"]


@torch.no_grad()
def test_masks_are_added_to_the_scores() -> None:
    module, x = Attention(12, num_heads=3).eval(), torch.randn(1, 4, 12)
    allowed = torch.ones(4, 4, dtype=torch.bool).tril()
    bias = torch.zeros(4, 4).masked_fill(~allowed, -torch.inf)
    expected = module(x, attn_mask=allowed)
    for mask in (allowed, bias):
        out, maps = observe(module, module.forward, {}, (x,), {"attn_mask": mask})
        torch.testing.assert_close(out, expected)
        assert torch.equal(maps.probs[..., ~allowed], torch.zeros(1, 3, 6))
