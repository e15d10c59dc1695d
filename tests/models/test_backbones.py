"""The adapter on every family: structure, units, windows, maps against explicit forward passes."""

from collections.abc import Iterator
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.errors import ModelError
from maskaq.models.architectures import build
from maskaq.models.attention import Maps, attention_modules, heads_of_patches, record
from maskaq.models.backbone import fuse_biases, tokens_of, units_of
from maskaq.models.structure import structure_of
from maskaq.models.windows import Windows
from tests.support.families import BUILDERS, family, images_of

ROLES = {
    "patch_embed.proj": "image",
    "qkv": "layernorm",
    "attn.proj": "attention",
    "fc1": "layernorm",
    "fc2": "gelu",
    "reduction": "layernorm",
    "head": "head",
}
# Where a family differs: padding, gates and norms after the values, and norms after the block.
OTHER_ROLES: dict[str, dict[str, str]] = {
    "scale norm": {"attn.proj": "layernorm", "fc2": "layernorm"},
    "gated": {"attn.proj": "other", "gate": "layernorm"},
    "swiglu, rms norm": {"fc1_g": "layernorm", "fc1_x": "layernorm", "fc2": "other"},
    "eva02": {"fc1_g": "layernorm", "fc1_x": "layernorm", "fc2": "layernorm"},
    "eva02, separate": {"attn.proj": "layernorm", "fc2": "other"},
    "dinov2": {"fc2": "other"},
    "swin, padded": {"qkv": "other"},
    "swin, partitioned": {"qkv": "other"},
    "swinv2": {"fc1": "other", "reduction": "other"},
    "swinv2, padded": {"qkv": "other", "fc1": "other", "reduction": "other"},
}
GRIDS = {"vit 32x48": (4, 6), "swin 32x48": (8, 12), "swin, padded": (7, 7)}
PREFIXES = {"distilled": 2, "registers": 3, "dinov3": 3}
NO_PREFIX = ("average", "average, fc_norm", "siglip", "relative position")
WINDOWED = [name for name in BUILDERS if name.startswith("swin")]


@pytest.mark.parametrize("name", BUILDERS)
def test_roles_are_found_without_names(name: str) -> None:
    """In the first block, which in SwinV2 has no norm before it but that of the embedding."""
    expected = ROLES | OTHER_ROLES.get(name, {})
    layers = structure_of(family(name)).layers
    seen = set()
    for layer, found in layers.items():
        first = "blocks" not in layer or layer.removeprefix("layers.0.").startswith("blocks.0.")
        other = layer.startswith("attn_pool") or "rel_pos" in layer
        for end, role in expected.items():
            if layer.endswith(end) and first and not other:
                assert found.role == role, layer
                seen.add(end)
    assert {"patch_embed.proj", "attn.proj", "fc2"} <= seen
    assert all(layer.called for own, layer in layers.items() if not own.endswith("qkv"))


@pytest.mark.parametrize("name", BUILDERS)
def test_tracing_leaves_the_model_as_it_was(name: str) -> None:
    model = family(name).train()
    state = torch.get_rng_state()
    structure_of(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


@pytest.mark.parametrize("name", BUILDERS)
def test_tokens_and_attention(name: str) -> None:
    model = family(name)
    tokens, prefix = tokens_of(model), 0 if name in NO_PREFIX + tuple(WINDOWED) else 1
    assert tokens.prefix == PREFIXES.get(name, prefix)
    rows, columns = images_of(model).shape[2:]
    size = model.patch_embed.patch_size
    assert tokens.grid == (rows // size[0], columns // size[1])
    assert tokens.grid == GRIDS.get(name, tokens.grid)
    names = [own for own, module in model.named_modules() if module in attention_modules(model)]
    assert all(own.endswith(".attn") for own in names)
    assert len(names) == len([m for n, m in model.named_modules() if n.endswith(".attn")])


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_units_one_after_the_other_are_the_body(name: str) -> None:
    model, outputs = family(name), []
    units, images = units_of(model), images_of(model)
    inputs: list[Tensor] = []
    units[0].module.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    units[-1].module.register_forward_hook(lambda _, args, out: outputs.append(out))
    model(images)
    x = inputs[0]
    for unit in units:
        x = unit(x)
    assert torch.equal(x, outputs[0])
    layers = structure_of(model).layers
    left = [n for n in layers if not n.startswith(tuple(f"{unit.name}." for unit in units))]
    body = [n for n in left if layers[n].role not in ("image", "head", "constant")]
    assert all(n.startswith("attn_pool.") for n in body)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_fused_biases_do_not_change_the_answers(name: str) -> None:
    model, fused = family(name), fuse_biases(family(name))
    images = images_of(model)
    torch.testing.assert_close(fused(images), model(images), rtol=1e-5, atol=1e-5)
    assert all(layer.called for layer in structure_of(fused).layers.values())


def operands(module: Any, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values [B,H,T,d] of tokens [B,T,C]."""
    if getattr(module, "qkv", None) is None:
        parts = [layer(x) for layer in (module.q_proj, module.k_proj, module.v_proj)]
    else:
        parts = list((x @ module.qkv.weight.T).chunk(3, -1))
        if getattr(module, "q_bias", None) is not None:
            biases = (module.q_bias, torch.zeros_like(module.q_bias), module.v_bias)
            parts = [part + bias for part, bias in zip(parts, biases, strict=True)]
        elif module.qkv.bias is not None:
            biases = module.qkv.bias.chunk(3)
            parts = [part + bias for part, bias in zip(parts, biases, strict=True)]
    split = [torch.stack(part.chunk(module.num_heads, -1), 1) for part in parts]  # [B,H,T,d]
    return split[0], split[1], split[2]


def turned(x: Tensor, rope: Tensor, halves: bool) -> Tensor:
    """Pairs of channels of x [B,H,N,d] turned by angles of which rope [N,2d] has sines, cosines."""
    out, channels = torch.empty_like(x), x.shape[-1]
    for pair in range(channels // 2):
        a, b = (pair, pair + channels // 2) if halves else (2 * pair, 2 * pair + 1)
        sine, cosine = rope[:, a], rope[:, channels + a]
        out[..., a] = x[..., a] * cosine - x[..., b] * sine
        out[..., b] = x[..., b] * cosine + x[..., a] * sine
    return out


def explicit(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Maps:
    """Maps of an attention module, step by step."""
    query, key, value = operands(module, args[0])
    kind, extra = type(module).__name__, [*args[1:], *kwargs.values()]
    bias: Any = next((own for own in extra if isinstance(own, Tensor)), None)
    if kind == "EvaAttention" or "Rope" in kind:
        count, rope, bias = module.num_prefix_tokens, bias, None
        query, key = (
            torch.cat([x[:, :, :count], turned(x[:, :, count:], rope, module.rotate_half)], 2)
            for x in (query, key)
        )
    if isinstance(getattr(module, "q_norm", None), nn.LayerNorm):
        query, key = module.q_norm(query), module.k_norm(key)
    scores = torch.einsum("bhqd,bhkd->bhqk", query, key) / query.shape[-1] ** 0.5
    if hasattr(module, "logit_scale"):  # SwinV2: cosines
        cosine = torch.einsum(
            "bhqd,bhkd->bhqk", F.normalize(query, dim=-1), F.normalize(key, dim=-1)
        )
        table = module.cpb_mlp(module.relative_coords_table).flatten(0, 2)  # [P,H]
        own = 16 * table[module.relative_position_index].sigmoid()  # [T,T,H]
        scores = cosine * module.logit_scale.exp() + own.permute(2, 0, 1)
    elif getattr(module, "relative_position_bias_table", None) is not None:
        table, index = module.relative_position_bias_table, module.relative_position_index
        scores = scores + table[index].permute(2, 0, 1)  # [T,T,H] -> [H,T,T]
    elif getattr(module, "rel_pos", None) is not None:
        scores = scores + module.rel_pos.get_bias()
    if bias is not None and kind == "WindowAttention":  # between regions
        scores = scores + bias.repeat(len(scores) // len(bias), 1, 1)[:, None]  # [B*W,1,T,T]
    elif bias is not None:
        scores = scores + bias
    probs = scores.exp() / scores.exp().sum(-1, keepdim=True)
    return Maps(scores, probs, torch.einsum("bhqk,bhkd->bhqd", probs, value))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_recorded_maps_equal_an_explicit_forward_pass(name: str, fused: bool) -> None:
    model = family(name)
    modules, calls = attention_modules(model), []
    for module in modules:
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
        module.register_forward_pre_hook(
            lambda _, args, kwargs: calls.append((args, kwargs)), with_kwargs=True
        )
    images = images_of(model)
    before = model(images)
    with record(model) as maps:
        torch.testing.assert_close(model(images), before, rtol=1e-5, atol=1e-5)
    for module, call, block in zip(modules, calls, maps, strict=False):
        for found, expected in zip(block[:3], explicit(module, *call)[:3], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def by_window(block: Any) -> Iterator[list[tuple[int, int]]]:
    """Places of the tokens of each window, rows and columns after the shift."""
    (rows, columns), (height, width) = block.input_resolution, block.window_size
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            yield [(top + i, left + j) for i in range(height) for j in range(width)]


def region(block: Any, axis: int, place: int) -> int:
    """Part of the shifted image that a place is in: only within it tokens see each other."""
    size, shift = block.window_size[axis], block.shift_size[axis]
    side = -(-block.input_resolution[axis] // size) * size
    return int(place >= side - size) + int(place >= side - shift) if shift else 0


@pytest.mark.parametrize("name", WINDOWED)
@torch.no_grad()
def test_windows_lie_where_a_plain_loop_over_the_image_puts_them(name: str) -> None:
    """Head outputs in the order of the image, with padding and shifts."""
    model = family(name)
    blocks = [m for m in model.modules() if hasattr(m, "input_resolution") and hasattr(m, "attn")]
    inputs: list[Tensor] = []
    attention_modules(model)  # runs the model once
    for block in blocks:
        before = block.norm1 if "V2" not in type(block).__name__ else nn.Identity()
        block.register_forward_pre_hook(lambda _, a, norm=before: inputs.append(norm(a[0])))
    with record(model) as maps:
        model(images_of(model, 2))
    for block, x, found in zip(blocks, inputs, maps, strict=True):
        (rows, columns), shift = block.input_resolution, block.shift_size
        heads = torch.zeros(2, block.attn.num_heads, rows * columns, found.heads.shape[-1])
        for places in by_window(block):
            tokens = torch.zeros(2, len(places), x.shape[-1])
            kinds = [(region(block, 0, i), region(block, 1, j)) for i, j in places]
            apart = torch.tensor([[-100.0 * (a != b) for b in kinds] for a in kinds])
            own = [((i + shift[0]) % rows, (j + shift[1]) % columns) for i, j in places]
            inside = [k for k, (i, j) in enumerate(places) if i < rows and j < columns]
            for k in inside:
                tokens[:, k] = x[:, own[k][0], own[k][1]]
            out = explicit(block.attn, (tokens, apart[None]), {}).heads
            for k in inside:
                heads[:, :, own[k][0] * columns + own[k][1]] = out[:, :, k]
        torch.testing.assert_close(heads_of_patches(found, 0), heads, rtol=1e-5, atol=1e-5)


SHAPES = [
    ((8, 8), (4, 4), (0, 0)),
    ((8, 8), (4, 4), (2, 2)),
    ((7, 9), (3, 4), (1, 2)),
    ((5, 3), (3, 3), (0, 1)),
    ((4, 10), (4, 4), (0, 2)),
    ((2, 2), (4, 4), (0, 0)),
    ((6, 6), (1, 2), (0, 1)),
]


@pytest.mark.parametrize("grid, size, shift", SHAPES)
def test_undoing_windows_equals_plain_loops(
    grid: tuple[int, int], size: tuple[int, int], shift: tuple[int, int]
) -> None:
    windows, (rows, columns) = Windows(grid, size, shift), grid
    down, right = -(-rows // size[0]), -(-columns // size[1])
    assert windows.count == down * right
    tokens = size[0] * size[1]
    x = torch.arange(2.0 * down * right * 3 * tokens * 2).view(-1, 3, tokens, 2)  # [B*W,H,T,2]
    found = windows.undo(x)
    assert found.shape == (2, 3, rows * columns, 2)
    for row in range(rows):
        for column in range(columns):
            i, j = (row - shift[0]) % rows, (column - shift[1]) % columns
            window = (i // size[0]) * right + j // size[1]
            place = (i % size[0]) * size[1] + j % size[1]
            token = row * columns + column
            assert windows.position(token) == (window, place)
            for image in range(2):
                expected = x[image * down * right + window, :, place]
                assert torch.equal(found[image, :, token], expected)
    means = windows.per_image(x)
    torch.testing.assert_close(means[1], x[down * right :].mean(0))


def test_models_whose_attention_is_not_found_in_every_block_are_refused() -> None:
    """The last blocks of ConViT attend as those of a ViT do, the first ones differ."""
    convit = timm.create_model("convit_tiny", embed_dim=12, num_heads=3, img_size=32)
    assert len(structure_of(convit).attention) == 2
    for refused in (lambda: attention_modules(convit), lambda: build("convit_tiny")):
        with pytest.raises(ModelError, match=r"supported: .*ViT, DeiT, .*Swin, SwinV2"):
            refused()


@pytest.mark.parametrize("name", ["crossvit_tiny_240", "twins_pcpvt_small", "coat_lite_tiny"])
def test_blocks_in_containers_are_no_chain(name: str) -> None:
    with torch.device("meta"):
        model = timm.create_model(name)
    assert structure_of(model).units == ()
    with pytest.raises(ModelError, match=r"do not form a chain, .* such as tails"):
        units_of(model)


class Mixed(nn.Module):
    """Products that are neither a Linear or Conv2d nor attention."""

    def __init__(self) -> None:
        super().__init__()
        self.pretrained_cfg = {"input_size": (3, 8, 8)}
        self.embed, self.along = nn.Conv2d(3, 4, 4, 4), nn.Conv1d(4, 5, 3)
        self.table = nn.Parameter(torch.ones(7, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x).flatten(2)  # [B,4,4]
        named = torch.einsum("b c n, k c -> b k n", x, self.table)  # [B,7,4]
        return named.sum((1, 2)) + self.along(x).sum((1, 2)) + (x @ x.mT).sum((1, 2))


def test_products_of_every_kind_are_counted() -> None:
    structure = structure_of(Mixed())
    assert structure.layers["embed"].products == 4 * 4 * 3 * 16
    assert structure.others == {"": 4 * 4 * 7 + 4 * 4 * 4, "along": 5 * 2 * 4 * 3}
