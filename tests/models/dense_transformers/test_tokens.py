"""Where tokens lie in the image, and the attention that is recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from maskaq.errors import ModelError, OptionError
from maskaq.evaluation.attributions import window_rollout
from maskaq.models.attention import heads_of_patches, record
from maskaq.models.backbone import attention_modules, tokens_of, windows_of
from maskaq.models.dense_transformers import load_dense, tokens
from maskaq.models.dense_transformers.library import quietly
from maskaq.models.dense_transformers.places import OneWindow, PaddedWindows
from maskaq.models.dense_transformers.tokens import Arrangement
from maskaq.models.loading import LoadedModel
from maskaq.regions.mask import attention_of_query, attention_to_patches, patch_attention
from tests.support.dense_transformers import BUILDERS, WINDOWED, noise, save, segformer

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

Load = Callable[[str], LoadedModel]
GRIDS = {"segformer": (16, 16), "upernet, swin": (14, 14)}
PREFIXES = {"segformer": 0, "upernet, swin": 0, "upernet, registers": 4}
MODULES = {"upernet, swin": 5, "segformer": 4, "upernet, beit": 4, "dpt": 4}


@pytest.mark.parametrize("name", BUILDERS)
def test_tokens(name: str, loaded: Load) -> None:
    p = loaded(name)
    grid, prefix = GRIDS.get(name, (4, 4)), PREFIXES.get(name, 1)
    assert (p.grid, p.prefix) == (grid, prefix)
    assert vars(tokens_of(p.model)) == {"grid": grid, "prefix": prefix}
    assert len(attention_modules(p.model)) == MODULES.get(name, 2)
    assert all(windows_of(p.model)) == (name in WINDOWED)
    assert any(windows_of(p.model)) == (name in WINDOWED)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_recorded_attention_is_what_transformers_returns(
    name: str, loaded: Load, folder_of: Callable[[str], Path]
) -> None:
    p, images = loaded(name), noise(name)
    own: Any = getattr(transformers, type(p.model.model).__name__)
    with quietly():
        model = own.from_pretrained(folder_of(name), attn_implementation="eager").eval()
    if "upernet" in name:
        expected = model.backbone(images, output_attentions=True).attentions
    elif name == "dpt":
        expected = model.dpt(images, output_attentions=True).attentions
    else:
        expected = model(images, output_attentions=True).attentions
    before = p.model(images)
    with record(p.model) as maps:
        torch.testing.assert_close(p.model(images), before, rtol=1e-5, atol=1e-5)
    found = [block.probs for block in maps]
    if name == "upernet, swin":  # transformers returns the last block of each stage
        found = [found[index] for index in (1, 3, 4)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    for block in maps:
        torch.testing.assert_close(block.logits.softmax(-1), block.probs)


@torch.no_grad()
def test_windows_of_swin_lie_where_plain_loops_put_them(loaded: Load) -> None:
    """Head outputs in the order of the image: the image is padded, then shifted."""
    model: Any = loaded("upernet, swin").model
    blocks = [m for m in model.modules() if type(m).__name__ == "SwinLayer"]
    inputs: list[Tensor] = []
    hooks = [
        block.layernorm_before.register_forward_hook(lambda _, __, out: inputs.append(out))
        for block in blocks
    ]
    with record(model) as maps:
        model(noise("upernet, swin", 2))
    for hook in hooks:
        hook.remove()
    sides, shifts = (14, 14, 7, 7, 4), (0, 2, 0, 2, 0)
    for block, x, found, side, shift in zip(blocks, inputs, maps, sides, shifts, strict=True):
        heads = by_loops(block, x, side, shift)
        torch.testing.assert_close(heads_of_patches(found, 0), heads, rtol=1e-5, atol=1e-5)


def by_loops(block: Any, x: Tensor, side: int, shift: int, size: int = 4) -> Tensor:
    """Head outputs [B,H,N,d] of tokens x [B,N,C] on a square grid."""
    own, whole = block.attention, -(-side // size) * size
    table = own.relative_position_bias()[0]  # [H,T,T]
    heads = torch.zeros(len(x), own.num_attention_heads, side * side, own.head_dim)

    def region(place: int) -> int:
        return int(place >= whole - size) + int(place >= whole - shift) if shift else 0

    for top in range(0, whole, size):
        for left in range(0, whole, size):
            places = [(top + i, left + j) for i in range(size) for j in range(size)]
            tokens = torch.zeros(len(x), len(places), x.shape[-1])
            where = [((i + shift) % whole, (j + shift) % whole) for i, j in places]
            inside = [k for k, (i, j) in enumerate(where) if i < side and j < side]
            for k in inside:
                tokens[:, k] = x[:, where[k][0] * side + where[k][1]]
            kinds = [(region(i), region(j)) for i, j in places]
            apart = torch.tensor([[-100.0 * (a != b) for b in kinds] for a in kinds])
            query, key, value = (
                torch.stack(layer(tokens).chunk(own.num_attention_heads, -1), 1)
                for layer in (own.q_proj, own.k_proj, own.v_proj)
            )  # [B,H,T,d]
            scores = query @ key.mT / own.head_dim**0.5 + table + apart
            out = scores.softmax(-1) @ value
            for k in inside:
                heads[:, :, where[k][0] * side + where[k][1]] = out[:, :, k]
    return heads


SHAPES = [
    ((8, 8), (4, 4), (2, 2)),
    ((7, 9), (3, 4), (1, 2)),
    ((5, 3), (4, 4), (2, 2)),
    ((2, 2), (4, 4), (2, 2)),
    ((6, 4), (4, 3), (0, 0)),
]


@pytest.mark.parametrize("grid, size, shift", SHAPES)
def test_padded_windows_equal_plain_loops(
    grid: tuple[int, int], size: tuple[int, int], shift: tuple[int, int]
) -> None:
    windows, (rows, columns) = PaddedWindows(grid, size, shift), grid
    down, right = -(-rows // size[0]), -(-columns // size[1])
    tokens = size[0] * size[1]
    x = torch.arange(2.0 * down * right * 3 * tokens).view(-1, 3, tokens)  # [B*W,H,T]
    found, slots = windows.undo(x), windows.slots()
    assert found.shape == (2, 3, rows * columns)
    for token in range(rows * columns):
        row, column = divmod(token, columns)
        i = (row - shift[0]) % (down * size[0])
        j = (column - shift[1]) % (right * size[1])
        window = (i // size[0]) * right + j // size[1]
        place = (i % size[0]) * size[1] + j % size[1]
        assert windows.position(token) == (window, place)
        assert int(slots[token]) == window * tokens + place
        for image in range(2):
            expected = x[image * down * right + window, :, place]
            assert torch.equal(found[image, :, token], expected)


def test_a_key_shares_its_weight_among_its_tokens() -> None:
    own = OneWindow((4, 6), (4, 6), keys=(2, 3))
    weights = torch.arange(12.0).view(1, 2, 6)  # [B,H,K]
    found = own.undo(weights)
    assert found.shape == (1, 2, 24)
    for token in range(24):
        row, column = divmod(token, 6)
        key = row // 2 * 3 + column // 2
        assert torch.equal(found[..., token], weights[..., key] / 4)
    assert torch.equal(own.undo(torch.ones(1, 2, 24, 5)), torch.ones(1, 2, 24, 5))
    assert (own.count, own.position(7)) == (1, (0, 7))
    with pytest.raises(OptionError, match="24 tokens to 6 keys has no rollout"):
        own.slots()


def test_tokens_around_the_patches_are_left_out() -> None:
    own = OneWindow((2, 2), (2, 2), before=1)
    x = torch.arange(7.0).view(1, 1, 7)
    assert own.undo(x).tolist() == [[[1, 2, 3, 4]]]
    assert own.slots().tolist() == [1, 2, 3, 4]
    assert own.position(3) == (0, 4)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_attention_of_patches(name: str, loaded: Load) -> None:
    """Weights are not negative and sum to 1, apart from tokens that are no patches."""
    p = loaded(name)
    with record(p.model) as maps:
        p.model(noise(name))
    alpha = patch_attention(maps, p.prefix)
    assert alpha.shape == (3, p.grid[0] * p.grid[1])
    assert alpha.min() >= 0
    total = alpha.sum(1)
    torch.testing.assert_close(total, total.clamp(max=1))
    assert total.min() > (0.99 if name == "segformer" else 0.2)
    assert (alpha[0] - alpha[1]).abs().max() > 1e-4  # it depends on the image
    for block in maps:
        rows = attention_of_query(block, p.prefix, 5, p.grid)
        assert rows.shape[-1] == p.grid[0] * p.grid[1]
        assert float(rows.sum(-1).max()) <= 1.05  # 14 patches do not divide into 4 tokens


@torch.no_grad()
def test_informative_patches_of_segformer_by_loops(loaded: Load) -> None:
    p = loaded("segformer")
    with record(p.model) as maps:
        p.model(noise("segformer", 1))
    sides, stages = (16, 8, 8, 4), (0, 1, 1, 2)
    by_stage: dict[int, list[Tensor]] = {}
    for block, side, stage in zip(maps, sides, stages, strict=True):
        assert block.probs.shape[2:] == (side * side, 16)
        mean = block.probs[0].mean((0, 1)).view(4, 4)  # of the keys, over heads and queries
        fine = torch.zeros(16, 16)
        for i in range(16):
            for j in range(16):
                fine[i, j] = mean[i // 4, j // 4] / 16
        by_stage.setdefault(stage, []).append(fine)
        by_key = attention_to_patches(block, 0)[0].mean(0).view(side, side)
        torch.testing.assert_close(by_key[0, 0], mean[0, 0] / (side // 4) ** 2)
    means = [torch.stack(own).mean(0) for own in by_stage.values()]
    expected = torch.stack(means).mean(0).flatten()
    torch.testing.assert_close(patch_attention(maps, 0)[0], expected)


@pytest.mark.parametrize("name", ["dpt", "upernet, registers"])
@torch.no_grad()
def test_informative_patches_of_a_vit_by_loops(name: str, loaded: Load) -> None:
    p = loaded(name)
    with record(p.model) as maps:
        p.model(noise(name, 1))
    own = slice(p.prefix, p.prefix + 16)
    probs = torch.stack([block.probs[0, :, own] for block in maps])  # [L,H,N,T]
    expected = [float(probs[..., p.prefix + patch].mean()) for patch in range(16)]
    assert patch_attention(maps, p.prefix)[0].tolist() == pytest.approx(expected)


@torch.no_grad()
def test_informative_patches_of_yolos_by_loops(loaded: Load) -> None:
    p = loaded("yolos")
    with record(p.model) as maps:
        p.model(noise("yolos", 1))
    probs = torch.stack([block.probs[0] for block in maps])  # [L,H,T,T], T = 1 + 16 + 7
    expected = [float(probs[..., 1 + patch].mean()) for patch in range(16)]
    assert patch_attention(maps, 1)[0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("name", ["upernet, swin", "yolos"])
@torch.no_grad()
def test_rollout_passes_attention_on(name: str, loaded: Load) -> None:
    p = loaded(name)
    with record(p.model) as maps:
        p.model(noise(name))
    found = window_rollout(maps, p.grid)
    assert found.shape == (3, p.grid[0] * p.grid[1])
    assert found.min() > 0
    assert found.sum(1).max() <= 1.0001


@torch.no_grad()
def test_segformer_has_no_rollout(loaded: Load) -> None:
    p = loaded("segformer")
    with record(p.model) as maps:
        p.model(noise("segformer"))
    with pytest.raises(OptionError, match="has no rollout"):
        window_rollout(maps, p.grid)


class _Others(Arrangement):
    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.prefix = 2


def test_unexpected_attention_is_refused(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tokens.ARRANGEMENTS, "dpt", _Others)
    with pytest.raises(ModelError, match=r"has the shape \[1, 2, 17, 17\]; expected 1 windows of"):
        load_dense(folder_of("dpt"))


def test_stages_need_whole_keys(tmp_path: Path) -> None:
    folder = save(segformer(), tmp_path, 64)
    with pytest.raises(OptionError, match="multiples of 16 x 16 pixels, such as 48 x 48"):
        load_dense(folder, size=50)


@pytest.mark.parametrize("name", BUILDERS)
def test_loading_leaves_no_hooks_of_its_own(name: str, loaded: Load) -> None:
    for module in loaded(name).model.modules():
        assert not module._forward_pre_hooks
        hooks = [hook.__qualname__ for hook in module._forward_hooks.values()]
        assert all("output_capturing_hook" in hook for hook in hooks)  # of transformers
        assert "forward" not in vars(module)
